CALL db.stats.retrieve('GRAPH COUNTS') YIELD data RETURN data;
