import { readFileSync } from 'node:fs';
import * as path from 'node:path';

import { BaseCommand } from '../cli/base-command';
import { showRecord } from '../cli/result-fields';
import { RawJson } from '../core/json/raw';

export default class Version extends BaseCommand {
  static override summary = 'Show the versions of hermesctl and of what it stands on.';
  static override description =
    'Versions of hermesctl, Node.js, its V8 engine, the SQLite binding, SQLite itself, the newest schema of the agent’s database that hermesctl was held against, and the platform.';

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
      sqlite: await versionOfSqlite(),
      agent_schema: AGENT_SCHEMA,
      platform: `${process.platform}-${process.arch}`,
    };
    await context.show({
      json: (document) => document.member('version', versions),
      human: () =>
        showRecord(context, Object.fromEntries(Object.entries(versions).map(([k, v]) => [k, RawJson.of(v)]))),
    });
  }
}

/** The newest `schema_version` of the agent's database whose stores the tests have. */
const AGENT_SCHEMA = 30;

/** Null where the native module cannot be loaded: that is worth a bug report, and no reason to fail here. */
async function versionOfSqlite(): Promise<string | null> {
  try {
    const { default: Database } = await import('better-sqlite3');
    const database = new Database(':memory:');
    const version = database.prepare('SELECT sqlite_version()').pluck().get();
    database.close();
    return String(version);
  } catch {
    return null;
  }
}

/** From the package's own description: loading a native module only to ask its version is slow and may fail. */
function versionOfPackage(name: string): string {
  const file = path.join(path.dirname(require.resolve(`${name}/package.json`)), 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
