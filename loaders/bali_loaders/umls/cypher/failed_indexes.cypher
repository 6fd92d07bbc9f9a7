SHOW INDEXES YIELD name, state, failureMessage WHERE state <> 'ONLINE' RETURN name, failureMessage;
