// Stats every file of a directory: what any look for changes must do at least.
'use strict';

const fs = require('node:fs');

const dir = process.argv[2];
let bytes = 0;
for (const name of fs.readdirSync(dir)) bytes += fs.statSync(`${dir}/${name}`).size;
fs.writeSync(1, `${bytes}\n`);
