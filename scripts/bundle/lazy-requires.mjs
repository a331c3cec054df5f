// Modules that are evaluated when something of theirs is used, not when a module that names them is.
import { readFileSync } from 'node:fs';

import ts from 'typescript';

/** As TypeScript compiles an import. */
const IMPORT = /^const (?<name>\w+) = (?<value>(?:__importStar\(|__importDefault\()?require\("[^"]+"\)\)?);$/gm;

/**
 * Turns each import at the top of a compiled module into a function that
 * requires at the first use. The compiler writes a use as `x_1.member`, where
 * `x_1` is a name that it made up, so that each use can be found by it.
 *
 * @param isMadeUp whether an imported name can stand for nothing else in the file.
 */
export function lazyRequires(source, isMadeUp = () => true) {
  const getters = [];
  const rest = source.replaceAll(IMPORT, (whole, ...match) => {
    const { name, value } = match.at(-1);
    if (!isMadeUp(name)) return whole;
    getters.push({ name, value });
    return '';
  });
  if (getters.length === 0) return source;
  const uses = new RegExp(
    `(?<![\\w$'"\`]|(?<!\\.\\.)\\.)(${getters.map(({ name }) => name).join('|')})(?![\\w$'"\`:])`,
    'g',
  );
  const functions = getters.map(({ name, value }) => `let ${name}$; const ${name} = () => ${name}$ ??= ${value};`);
  // Strictness has to come first. Brackets, because of `new x_1.Class()`.
  return `'use strict';\n${functions.join('\n')}\n${rest.replaceAll(uses, '($1())')}`;
}

/** `import * as` of a module of Node.js: the compiler would copy each of its members at every start. */
const BUILT_IN = /__importStar\((require\("node:[^"]+"\))\)/g;

/** The esbuild plugin that does it to our own sources. A namespace (`path`) keeps its name, which a variable may have too. */
export function lazySources() {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: true };
  return {
    name: 'lazy-sources',
    setup(build) {
      build.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path: file }) => {
        const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), { compilerOptions, fileName: file });
        const contents = outputText.replaceAll(BUILT_IN, '$1');
        return { contents: lazyRequires(contents, (name) => /_\d+$/.test(name)), loader: 'js' };
      });
    },
  };
}
