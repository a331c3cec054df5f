// Translates src/core/json/kernel.wat to WebAssembly and puts it into kernel-code.ts, which is kept in the repository:
// to build hermesctl nobody needs the translator. `--check` only tells whether that was done.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import openTranslator from 'wabt';

const dir = path.join(path.dirname(fileURLToPath(import.meta.url)), '../src/core/json');
const target = path.join(dir, 'kernel-code.ts');
const LINE = 100;

const translator = await openTranslator();
const text = readFileSync(path.join(dir, 'kernel.wat'), 'utf8');
const module = translator.parseWat('kernel.wat', text, { simd: true, bulk_memory: true });
module.resolveNames();
module.validate();
const code = Buffer.from(module.toBinary({}).buffer).toString('base64');
const lines = code.match(new RegExp(`.{1,${LINE}}`, 'g')).map((line) => `  '${line}'`);
const source = `/** What kernel.wat is in WebAssembly, in base64. Made by \`npm run kernel\`. */
export const KERNEL_CODE =
${lines.join(' +\n')};
`;
if (!process.argv.includes('--check')) writeFileSync(target, source);
else if (readFileSync(target, 'utf8') !== source) {
  console.error('src/core/json/kernel-code.ts is not what kernel.wat makes: npm run kernel');
  process.exitCode = 1;
}
