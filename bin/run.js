#!/usr/bin/env node
'use strict';

require('../dist/launch.js').launch(process.argv.slice(2));
