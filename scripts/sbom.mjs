// Writes what the program is made of as CycloneDX: `node scripts/sbom.mjs [FILE]`.
import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { bundledNow, productPackages, sbomOf } from './product.mjs';

const target = path.resolve(process.argv[2] ?? 'sbom.cdx.json');
writeFileSync(target, sbomOf(productPackages(await bundledNow())));
process.stdout.write(`${target}\n`);
