// What the bundle changes in its dependencies, so that a command pays only for what it uses (docs/adr/0004).
// Mechanical where it can be, and every change fails the build when what it expects is no longer there.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { lazyRequires } from './lazy-requires.mjs';

const require = createRequire(import.meta.url);

/** The version that the changes below were made for. */
const OCLIF = '4.14.0';

/** Exactly these texts, each once, in these files of @oclif/core/lib. */
const CHANGES = {
  // Output is ours, written without the stream: touching it starts the whole of it.
  'command.js': [
    [/^process\.stdout\.on\('error'[\s\S]*?^\}\);$/m, ''],
    [
      "const pjson = cache_1.default.getInstance().get('@oclif/core');",
      `const pjson = { name: '@oclif/core', version: '${OCLIF}' };`,
    ],
  ],
  'config/config.js': [
    [
      "const _pjson = cache_1.default.getInstance().get('@oclif/core');",
      `const _pjson = { name: '@oclif/core', version: '${OCLIF}' };`,
    ],
    // No colours to choose: no file to look for.
    ['async loadTheme() {', 'async loadTheme() { return undefined;'],
  ],
  'config/plugin.js': [
    [
      "const _pjson = cache_1.default.getInstance().get('@oclif/core');",
      `const _pjson = { name: '@oclif/core', version: '${OCLIF}' };`,
    ],
    // The same order, without the tables of all languages.
    ['.sort((a, b) => a.id.localeCompare(b.id))', '.sort((a, b) => (a.id < b.id ? -1 : 1))'],
  ],
  'cache.js': [["require('@oclif/core/package.json').version", `'${OCLIF}'`]],
  // Of a template's words only the program's name is used; another one goes through the template's compiler.
  'help/util.js': [
    [
      'return ejs_1.default.render(t, context);',
      "const text = t.replaceAll('<%= config.bin %>', context.config.bin); return text.includes('<%') ? ejs_1.default.render(text, context) : text;",
    ],
  ],
  // The width of a terminal is asked where there is one.
  'screen.js': [
    [
      'columns || termwidth(process.stdout)',
      "columns || termwidth(require('hermesctl:terminal').isTerminal(1) ? process.stdout : {})",
    ],
    [
      'columns || termwidth(process.stderr)',
      "columns || termwidth(require('hermesctl:terminal').isTerminal(2) ? process.stderr : {})",
    ],
  ],
  // Nothing of hermesctl shows oclif's spinner.
  'ux/index.js': [
    [
      /^const ACTION_TYPE = [\s\S]*?^exports\.action = .*;$/m,
      "Object.defineProperty(exports, 'action', { enumerable: true, get: () => new simple_1.default() });",
    ],
    [/^ {4}action: exports\.action,$/m, '    get action() { return exports.action; },'],
  ],
  // Whether this is Windows' Linux is asked by starting the loader of modules; only where it can be.
  'util/os.js': [
    [
      "return (await import('wsl-utils')).isWsl ? 'wsl' : (0, node_os_1.platform)();",
      "return process.platform === 'linux' && /microsoft/i.test((0, node_os_1.release)()) ? 'wsl' : process.platform;",
    ],
    [
      /^async function determineWindowsShell\(\) \{[\s\S]*?^\}$/m,
      "async function determineWindowsShell() { return process.env.COMSPEC ?? 'cmd.exe'; }",
    ],
  ],
  // A TypeScript compiler and other loaders are for plugins under development.
  'util/read-tsconfig.js': [
    ["typescript = require('typescript');", 'throw new Error();'],
    ["typescript = require(root + '/node_modules/typescript');", 'throw new Error();'],
  ],
};

/** @oclif/core as the bundle sees it: each export is evaluated when it is used. */
const OCLIF_EXPORTS = {
  Args: 'args.js',
  Command: ['command.js', 'Command'],
  CommandHelp: ['help/index.js', 'CommandHelp'],
  Config: ['config/index.js', 'Config'],
  Flags: 'flags.js',
  Help: ['help/index.js', 'Help'],
  Plugin: ['config/index.js', 'Plugin'],
  loadHelpClass: ['help/index.js', 'loadHelpClass'],
  run: ['main.js', 'run'],
};

const REPLACED = {
  '@oclif/core': (lib) =>
    Object.entries(OCLIF_EXPORTS)
      .map(([name, from]) => {
        const [file, member] = [from].flat();
        const wanted = `require(${JSON.stringify(path.join(lib, file))})${member ? `.${member}` : ''}`;
        return `Object.defineProperty(exports, '${name}', { enumerable: true, get: () => ${wanted} });`;
      })
      .join('\n'),
  // Says nothing unless DEBUG asks for it.
  debug: () => `
    const silent = () => { const log = () => undefined; log.enabled = false; log.extend = silent; return log; };
    module.exports = process.env.DEBUG ? require(${JSON.stringify(require.resolve('debug'))}) : silent;`,
  // Asks the terminals only where there are some.
  'supports-color': () => `
    const { isTerminal } = require('hermesctl:terminal');
    module.exports = process.env.FORCE_COLOR || isTerminal(1) || isTerminal(2)
      ? require(${JSON.stringify(require.resolve('supports-color', { paths: [path.dirname(require.resolve('@oclif/core'))] }))})
      : { stdout: false, stderr: false };`,
  // Touches the streams to find out whether they can show colours.
  ansis: () => `
    const { isTerminal } = require('hermesctl:terminal');
    const { stripVTControlCharacters } = require('node:util');
    const plain = new Proxy(String, {
      get: (_, name) => name === '__esModule' ? undefined : name === 'strip' ? stripVTControlCharacters : name === 'hex' || name === 'rgb' ? () => plain : plain,
    });
    module.exports = process.env.FORCE_COLOR || isTerminal(1) || isTerminal(2)
      ? require(${JSON.stringify(require.resolve('ansis', { paths: [path.dirname(require.resolve('@oclif/core'))] }))})
      : plain;`,
  // Of plain text every character is one column: no need to look at each of them.
  'string-width': () => `
    const whole = require(${JSON.stringify(require.resolve('string-width'))});
    module.exports = (text) => (typeof text === 'string' && /^[ -~]*$/.test(text) ? text.length : whole(text));
    module.exports.default = module.exports;`,
  'hermesctl:terminal': () => `
    const { fstatSync } = require('node:fs');
    exports.isTerminal = (fd) => { try { const stats = fstatSync(fd); return stats.isCharacterDevice() && !(process.platform === 'linux' && stats.rdev >> 8 === 1); } catch { return false; } };`,
};

/** The esbuild plugin. @param isWhole whether all of oclif that is used must come by. */
export function oclifInABundle(isWhole) {
  return {
    name: 'oclif-in-a-bundle',
    setup(build) {
      const lib = path.dirname(require.resolve('@oclif/core'));
      const { version } = JSON.parse(readFileSync(path.join(lib, '..', 'package.json'), 'utf8'));
      if (version !== OCLIF)
        throw new Error(`@oclif/core is ${version}; scripts/bundle/oclif.mjs was made for ${OCLIF}.`);
      const changed = new Set();

      build.onResolve({ filter: new RegExp(`^(${Object.keys(REPLACED).join('|')})$`) }, ({ path: id }) => ({
        path: id,
        namespace: 'replaced',
      }));
      build.onLoad({ filter: /.*/, namespace: 'replaced' }, ({ path: id }) => ({
        contents: REPLACED[id](lib),
        resolveDir: lib,
        loader: 'js',
      }));
      build.onLoad({ filter: /[\\/]@oclif[\\/]core[\\/]lib[\\/].*\.js$/ }, ({ path: file }) => {
        const name = path.relative(lib, file).replaceAll('\\', '/');
        let source = readFileSync(file, 'utf8');
        for (const [from, to] of CHANGES[name] ?? []) {
          const parts =
            typeof from === 'string'
              ? source.split(from).length - 1
              : (source.match(new RegExp(from, 'gm')) ?? []).length;
          if (parts !== 1)
            throw new Error(`@oclif/core/lib/${name} has ${parts} times what is to be changed once: ${from}`);
          source = source.replace(from, () => to);
          changed.add(name);
        }
        return { contents: lazyRequires(source), loader: 'js' };
      });
      build.onEnd(() => {
        const missed = Object.keys(CHANGES).filter((name) => !changed.has(name));
        if (isWhole && missed.length > 0)
          throw new Error(`No longer part of the bundle, though to be changed: ${missed.join(', ')}`);
      });
    },
  };
}
