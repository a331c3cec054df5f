// What the program that is shipped is made of: the packages in the bundle, and those that are installed with it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { bundle } from './bundle/bundle.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The names of the packages that a bundle would hold now. */
export async function bundledNow() {
  const place = mkdtempSync(path.join(os.tmpdir(), 'hermesctl-bundle-'));
  try {
    return (await bundle(path.join(place, 'dist'))).packages;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/**
 * Every package of the product: name, version, licence, its directory, and whether its code is in dist.
 *
 * @param bundled the names of those in the bundle.
 */
export function productPackages(bundled) {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .map(([place, { dev, version }]) => ({ place, name: place.replace(/^.*node_modules\//, ''), dev, version }))
    .filter(({ place, name, dev }) => place !== '' && (!dev || (bundled.includes(name) && isTopmost(place))))
    .map(({ place, name, version, dev }) => {
      const dir = path.join(root, place);
      const { license } = JSON.parse(readFileSync(path.join(dir, 'package.json'), 'utf8'));
      return { name, version, licence: license, dir, bundled: dev === true };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Of two versions of a package the bundle has the topmost; a second one would be below the package that wants it. */
const isTopmost = (place) => place.lastIndexOf('node_modules/') === 0;

/** The text of a package's licence, as it brings it. */
export function licenceText(dir) {
  const file = readdirSync(dir).find((name) => /^licen[cs]e/i.test(name));
  return file && readFileSync(path.join(dir, file), 'utf8').replaceAll('\r\n', '\n').trim();
}

/** What the product is made of as CycloneDX: of what npm says of everything that is installed. */
export function sbomOf(packages) {
  const sbom = npmSbom();
  const wanted = new Map(packages.map(({ name, version, bundled }) => [`${name}@${version}`, bundled]));
  const keyOf = ({ group, name, version }) => `${group ? `${group}/` : ''}${name}@${version}`;
  const kept = sbom.components.filter((component) => wanted.has(keyOf(component)));
  const refs = new Set([sbom.metadata.component['bom-ref'], ...kept.map((component) => component['bom-ref'])]);
  if (kept.length !== packages.length) throw new Error(`npm knows ${kept.length} of ${packages.length} packages`);
  // npm calls it by the name of the directory.
  Object.assign(sbom.metadata.component, { name: 'hermesctl', type: 'application' });
  sbom.components = kept.map((component) => ({
    ...component,
    // npm takes what is bundled for a tool of development.
    scope: 'required',
    properties: [
      ...(component.properties ?? []).filter(({ name }) => name !== 'cdx:npm:package:development'),
      { name: 'cdx:npm:package:bundled', value: String(wanted.get(keyOf(component))) },
    ],
  }));
  sbom.dependencies = sbom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  return `${JSON.stringify(sbom, null, 2)}\n`;
}

function npmSbom() {
  const said = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    shell: process.platform === 'win32',
  });
  return JSON.parse(said);
}
