// Reads and parses a JSON file: what any answer from an index that is parsed whole must do at least.
'use strict';

const fs = require('node:fs');

fs.writeSync(1, `${JSON.parse(fs.readFileSync(process.argv[2], 'utf8')).length}\n`);
