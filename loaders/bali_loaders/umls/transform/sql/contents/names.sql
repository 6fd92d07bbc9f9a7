SELECT concept, name, sab FROM atom
