// Makes dist/ ready to be packed: builds it, and puts in what has to be said of the packages in it.
import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { bundle } from './bundle/bundle.mjs';
import { isAllowed, notices } from './licences.mjs';
import { productPackages, root, sbomOf } from './product.mjs';

const dist = path.join(root, 'dist');
const packages = productPackages((await bundle(dist)).packages);
const refused = packages.filter(({ licence }) => !isAllowed(licence));
if (refused.length > 0) throw new Error(`${refused.map(({ name }) => name).join(', ')}: see scripts/licences.mjs`);
writeFileSync(path.join(dist, 'THIRD-PARTY.txt'), notices(packages));
writeFileSync(path.join(dist, 'sbom.cdx.json'), sbomOf(packages));
