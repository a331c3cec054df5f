// Holds the licences of all that is shipped to a list, and with a FILE writes what has to be said of them.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { bundledNow, licenceText, productPackages } from './product.mjs';

/** They ask for no more than to be named. */
const ALLOWED = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
];

/** Whether a licence, or one that may be chosen, is on the list. */
export function isAllowed(licence) {
  const choices = String(licence)
    .replace(/^\((.*)\)$/, '$1')
    .split(/ or /i);
  return choices.some((choice) => choice.split(/ and /i).every((one) => ALLOWED.includes(one.trim())));
}

/** The notices, one package after the other. */
export function notices(packages) {
  const parts = packages.map(({ name, version, licence, dir }) =>
    [`${name} ${version}`, `Licence: ${licence}`, '', licenceText(dir) ?? '(It brings no text of its licence.)'].join(
      '\n',
    ),
  );
  return `hermesctl is made of these packages, and of SQLite, which is in the public domain.\n\n${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const packages = productPackages(await bundledNow());
  const refused = packages.filter(({ licence }) => !isAllowed(licence));
  for (const { name, version, licence } of refused) {
    process.stderr.write(
      `${name} ${version}: ${licence ?? 'no licence'} is not on the list of scripts/licences.mjs.\n`,
    );
  }
  if (process.argv[2]) writeFileSync(path.resolve(process.argv[2]), notices(packages));
  const bundled = packages.filter((one) => one.bundled).length;
  process.stdout.write(
    `${packages.length} packages, ${bundled} of them bundled; ${refused.length} with a licence that will not do.\n`,
  );
  process.exitCode = refused.length === 0 ? 0 : 1;
}
