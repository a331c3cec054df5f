import { readFileSync } from 'node:fs';
import * as path from 'node:path';

import { BaseCommand } from '../cli/base-command';
import { showRecord } from '../cli/result-fields';
import { RawJson } from '../core/json/raw';

export default class Version extends BaseCommand {
  static override summary = 'Show the versions of hermesctl and of what it stands on.';
  static override description = 'Versions of hermesctl, Node.js, its V8 engine, the SQLite binding, and the platform.';

  static override examples = [
    { description: 'What to put into a bug report', command: '<%= config.bin %> version' },
    { description: 'For a script', command: '<%= config.bin %> version --json | jq -r .version.hermesctl' },
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(Version);
    const context = this.context(flags);
    const versions = {
      hermesctl: this.config.version,
      node: process.versions.node,
      v8: process.versions.v8,
      better_sqlite3: versionOfPackage('better-sqlite3'),
      platform: `${process.platform}-${process.arch}`,
    };
    await context.show({
      json: (document) => document.member('version', versions),
      human: () =>
        showRecord(context, Object.fromEntries(Object.entries(versions).map(([k, v]) => [k, RawJson.of(v)]))),
    });
  }
}

/** From the package's own description: loading a native module only to ask its version is slow and may fail. */
function versionOfPackage(name: string): string {
  const file = path.join(path.dirname(require.resolve(`${name}/package.json`)), 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
