// Builds dist/ from the sources, from nothing, so that no file of an older build stays.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { bundle } from './bundle/bundle.mjs';

await bundle(path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'dist'));
