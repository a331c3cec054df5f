#!/usr/bin/env node
'use strict';

// Runs the sources: builds them first when they changed. For people who work on hermesctl.
const { execFileSync } = require('node:child_process');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
execFileSync(
  process.execPath,
  [
    path.join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    root,
    '--incremental',
    '--tsBuildInfoFile',
    path.join(root, 'dist/.tsbuildinfo'),
  ],
  {
    stdio: ['ignore', 2, 2],
  },
);
require('../dist/cli/main.js').main(process.argv.slice(2));
