#!/usr/bin/env node
'use strict';

// Runs the sources: bundles them first, beside the build that is there. For people who work on hermesctl.
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const root = path.resolve(__dirname, '..');
const outdir = path.join(root, 'node_modules', '.cache', 'hermesctl');

void import(pathToFileURL(path.join(root, 'scripts', 'bundle', 'bundle.mjs')).href)
  .then(({ bundle }) => bundle(outdir))
  .then(() => require(path.join(outdir, 'launch.js')).launch(process.argv.slice(2)));
