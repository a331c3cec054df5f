import fs from 'node:fs';
import path from 'node:path';

import { Ajv2020 } from 'ajv/dist/2020';
import { describe, expect, it } from 'vitest';

import { type CliResult, cliJson, ROOT } from '../support/cli';
import { makeDatabase } from '../support/fleet';
import { makeStore, session, STORE_VECTORS, type TestStore, vectorStore } from '../support/store';

const SCHEMAS = path.join(ROOT, 'docs', 'schemas');
const names = fs.readdirSync(SCHEMAS).map((file) => file.replace(/\.schema\.json$/, ''));
const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true });
for (const name of names) ajv.addSchema(JSON.parse(fs.readFileSync(schemaFile(name), 'utf8')) as object);

function schemaFile(name: string): string {
  return path.join(SCHEMAS, `${name}.schema.json`);
}

/** What is wrong with a document by this schema; empty where nothing is. */
function faults(schema: string, document: unknown): string[] {
  const validate = ajv.getSchema(`${schema}.schema.json`)!;
  if (validate(document) === true) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`);
}

/** Runs with --json and checks the document that comes out: a result by its schema, a failure by the error's. */
async function run(schema: string, args: string[], store?: TestStore): Promise<CliResult & { json: Document }> {
  const result = await cliJson<Document>(args, store ? { env: store.env } : {});
  const isFailure = result.json.error !== undefined && Object.keys(result.json).length === 2;
  expect(faults(isFailure ? 'error' : schema, result.json), `${args.join(' ')}\n${result.stdout}`).toEqual([]);
  expect(result.stderr).toBe('');
  if (result.json.error) expect(result.json.error.exit).toBe(result.code);
  else expect(result.code).toBe(0);
  return result;
}

interface Document {
  error?: { code: string; exit: number };
  warnings: unknown[];
  [name: string]: unknown;
}

const idsOf = (store: TestStore): string[] =>
  fs
    .readdirSync(store.sessionsDir)
    .filter((name) => /^[0-9A-Za-z].*\.json$/.test(name))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();

describe('the JSON schemas', () => {
  it('are draft 2020-12, named as their files, and compile strictly', () => {
    for (const name of names) {
      const schema = JSON.parse(fs.readFileSync(schemaFile(name), 'utf8')) as Record<string, string>;
      expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
      expect(schema['$id']).toBe(`${name}.schema.json`);
      expect(ajv.getSchema(schema['$id']), name).toBeDefined();
    }
  });

  it('are there for every command', () => {
    const { commands } = JSON.parse(fs.readFileSync(path.join(ROOT, 'dist', 'manifest.json'), 'utf8')) as {
      commands: Record<string, unknown>;
    };
    for (const id of Object.keys(commands)) expect(names).toContain(id.replaceAll(':', '-'));
  });

  it('reject what is no result', () => {
    expect(faults('error', { error: { code: 'NO_SUCH_CODE', exit: 99 }, warnings: [] })).not.toEqual([]);
    expect(faults('sessions-list', { sessions: [{}], total: 1, warnings: [] })).not.toEqual([]);
    expect(faults('sessions-list', { sessions: [], total: 0 })).not.toEqual([]);
    expect(faults('sessions-status', { warnings: [] })).not.toEqual([]);
    expect(faults('sessions-usage', { usages: [], warnings: [] })).not.toEqual([]);
    expect(faults('paths', { paths: {}, warnings: [] })).not.toEqual([]);
  });
});

describe('output without a store agrees with its schema', () => {
  it.each([
    ['version', ['version']],
    ['help', ['help']],
    ['help', ['help', 'sessions']],
    ['help', ['help', 'no', 'such']],
    ['completion', ['completion', 'zsh']],
    ['completion', ['completion', 'tcsh']],
    ['complete-ids', ['complete-ids', 'x', '--state-dir', '/nonexistent/store']],
    ['paths', ['paths']],
    ['paths', ['paths', '-p', 'No Such Name']],
    ['sessions-list', ['sessions', 'list', '--state-dir', '/nonexistent/store']],
    ['sessions-list', ['sessions', 'list', '--no-such-flag']],
    ['error', ['no-such-command']],
  ])('%s: %j', async (schema, args) => {
    await run(schema, args);
  });
});

describe.each(STORE_VECTORS)('output on %s agrees with its schema', (name) => {
  it('sessions list', async () => {
    const store = vectorStore(name);
    const { json } = await run('sessions-list', ['sessions', 'list', '--all'], store);
    expect(json['total']).toBe((json['sessions'] as unknown[]).length);
    await run('sessions-list', ['sessions', 'list', '--only-archived', '--limit', '1'], store);
  });

  it('sessions search', async () => {
    const store = vectorStore(name);
    const { json } = await run('sessions-search', ['sessions', 'search', 'a', '--all', '--agent'], store);
    expect((json['hits'] as unknown[]).length).toBeGreaterThan(3);
    await run('sessions-search', ['sessions', 'search', '.', '--regex', '--in', 'tools', '--limit', '2'], store);
  });

  it('stats', async () => {
    const store = vectorStore(name);
    const { json } = await run('stats', ['stats', '--agent', '--by', 'week', '--by', 'project'], store);
    expect(Object.keys(json['by'] as object)).toEqual(['week', 'project']);
  });

  it('sessions show, whole and metadata', async () => {
    const store = vectorStore(name);
    await Promise.all(idsOf(store).map((id) => run('sessions-show', ['sessions', 'show', id], store)));
    await run('sessions-show', ['show', idsOf(store)[0], '--metadata'], store);
  });

  it('sessions status and usage', async () => {
    const store = vectorStore(name);
    const ids = idsOf(store);
    await run('sessions-status', ['status', ids[0]], store);
    await run('sessions-status', ['status', '--all'], store);
    await run('sessions-status', ['status', ...ids.slice(0, 3), 'no_such_session'], store);
    await run('sessions-usage', ['usage', ids[0]], store);
    await run('sessions-usage', ['usage'], store);
    await run('sessions-usage', ['usage', ...ids.slice(0, 3), 'no_such_session'], store);
  });
});

describe('output on made stores agrees with its schema', () => {
  it('an empty store, and one with every kind of damage', async () => {
    await run('sessions-list', ['sessions', 'list'], makeStore());
    await run('sessions-usage', ['usage'], makeStore());
    const damaged = makeStore({
      empty001: '',
      binary01: Buffer.from([0xff, 0xfe]),
      broken01: '{"session_id": "broken01",',
      array001: '[]',
      words001: session('words001', { messages: 'none' }),
      bom00001: `\ufeff${JSON.stringify(session('bom00001'))}`,
      other001: session('inner001'),
      nothing1: '{}',
      types001: session('types001', { title: 5, profile: {}, pinned: 'yes', workspace: 1, input_tokens: 'many' }),
      notanum1: '{"session_id": "notanum1", "title": "n", "estimated_cost": NaN, "messages": [null, 1, "x", NaN]}',
    });
    const { json } = await run('sessions-list', ['sessions', 'list', '--all'], damaged);
    expect(json['total']).toBe(5);
    await Promise.all(idsOf(damaged).map((id) => run('sessions-show', ['show', id], damaged)));
    await Promise.all(idsOf(damaged).map((id) => run('sessions-show', ['show', id, '--metadata'], damaged)));
    await run('sessions-status', ['status', '--all'], damaged);
    await run('sessions-usage', ['usage', '--all'], damaged);
    await run('stats', ['stats'], damaged);
    await run('stats', ['stats'], makeStore());
    await run('sessions-search', ['sessions', 'search', 'n', '--all'], damaged);
  });

  it('a store with an index, good or broken', async () => {
    const store = makeStore({ aaaa1111: session('aaaa1111'), bbbb2222: session('bbbb2222') });
    const index = path.join(store.sessionsDir, '_index.json');
    fs.writeFileSync(index, JSON.stringify([{ session_id: 'aaaa1111', title: 'old', last_message_at: 1777000000.0 }]));
    await run('sessions-list', ['sessions', 'list'], store);
    await run('sessions-usage', ['usage'], store);
    fs.writeFileSync(index, '[{');
    const { json } = await run('sessions-list', ['sessions', 'list'], store);
    expect(json.warnings).toHaveLength(1);
  });

  it('fleets of profiles and stores, some of them broken', async () => {
    const store = makeStore({ aaaa1111: session('aaaa1111'), bbbb2222: '{"messages":' });
    makeDatabase(path.join(store.hermesHome, 'profiles', 'work'), [{ id: 'lost0001', source: 'webui' }]);
    fs.mkdirSync(path.join(store.hermesHome, 'profiles', 'broken'));
    fs.writeFileSync(path.join(store.hermesHome, 'profiles', 'broken', 'state.db'), 'x'.repeat(999));
    fs.writeFileSync(path.join(store.hermesHome, 'sessions'), 'no directory');
    fs.mkdirSync(path.join(store.hermesHome, 'profiles', 'work', 'cron'));
    fs.writeFileSync(path.join(store.hermesHome, 'profiles', 'work', 'cron', '.jobs_abcdefgh.tmp'), '');
    const list = path.join(store.root, 'stores');
    fs.writeFileSync(list, `${store.stateDir}\n${store.root}/missing\n`);
    await run('memory-scan', ['memory', 'scan'], store);
    const { json } = await run('gc-tmp', ['gc-tmp', '--all-profiles', '-n'], store);
    expect(json['files']).toHaveLength(1);
    await run('memory-drain', ['memory-drain', '--all-profiles', '-n', '--command', 'true'], store);
    for (const fleet of [['--all-profiles'], ['--stores', list], ['--stores', list, '--all-profiles']]) {
      expect((await run('sessions-usage', ['usage', ...fleet], store)).code).toBe(3);
      expect((await run('doctor', ['doctor', ...fleet], store)).json['findings']).not.toEqual([]);
      await run('sessions-list', ['sessions', 'list', '--agent', ...fleet], store);
    }
    await run('stats', ['stats', '--stores', list], store);
    await run('sessions-search', ['sessions', 'search', 'h', '--stores', list, '--agent'], store);
    const dir = path.join(store.root, 'exported');
    await run('sessions-export', ['sessions', 'export', '--all', '--stores', list, '--output', dir], store);
    await run('reindex', ['reindex', '--check', '--stores', list], store);
    await run('projects-list', ['projects', 'list', '--stores', list], store);
    await run('memory-status', ['memory', 'status', '--stores', list], store);
  });

  it('an ambiguous prefix and a broken projects.json', async () => {
    const store = makeStore({ aaaa1111: session('aaaa1111'), aaaa2222: session('aaaa2222') });
    expect((await run('sessions-show', ['show', 'aaaa'], store)).code).toBe(2);
    fs.writeFileSync(path.join(store.stateDir, 'projects.json'), '{');
    expect((await run('sessions-list', ['sessions', 'list', '--project', 'x'], store)).code).toBe(7);
  });
});

describe('output of export and import agrees with its schema', () => {
  it('to standard output, files and back', async () => {
    const store = makeStore({ aaaa0001: session('aaaa0001', { cost: 1e400 }), hurt0002: '{"messages":' });
    const file = path.join(store.root, 'out.ndjson');
    await run('sessions-export', ['sessions', 'export', 'aaaa0001', '--redact'], store);
    await run('sessions-export', ['sessions', 'export', 'aaaa0001', '--output', file], store);
    await run('sessions-export', ['sessions', 'export', 'aaaa0001', '--output', file], store);
    await run('sessions-export', ['sessions', 'export', 'aaaa0001', '-f', 'html', '-o', `${store.root}/pages/`], store);
    await run('sessions-import', ['sessions', 'import', file], store);
    await run('sessions-import', ['sessions', 'import', file, '--dry-run'], makeStore());
    await run('sessions-import', ['sessions', 'import', file], makeStore());
    fs.appendFileSync(file, '{"session_id": "cut');
    for (const [schema, args] of [
      ['sessions-export', ['sessions', 'export', '--all']],
      ['sessions-import', ['sessions', 'import', file]],
    ] as const) {
      const { code, json } = await cliJson<Document>([...args], { env: store.env });
      expect({ code, faults: faults(schema, json) }).toEqual({ code: 3, faults: [] });
    }
  });
});

describe('output about memory agrees with its schema', () => {
  it('from the first scan to the last drain', async () => {
    const store = makeStore({
      aaaa0001: session('aaaa0001'),
      bbbb0002: session('bbbb0002', { profile: 'work' }),
      hurt0003: '{"messages":',
    });
    const partial = async (schema: string, args: string[], exit = 3): Promise<void> => {
      const { code, json } = await cliJson<Document>(args, { env: store.env });
      expect(faults(schema, json), JSON.stringify(json)).toEqual([]);
      expect(code).toBe(exit);
    };
    await run('memory-status', ['memory', 'status'], store);
    await run('memory-drain', ['memory-drain'], store);
    await run('memory-scan', ['memory', 'scan', '--dry-run'], store);
    await run('memory-scan', ['memory', 'scan'], store);
    await partial('memory-scan', ['memory', 'scan', 'hurt0003', 'aaaa0001']);
    await run('memory-mark', ['memory', 'mark', 'aaaa0001'], store);
    await run('memory-mark', ['memory', 'mark', 'nosuch01'], store);
    await partial('memory-mark', ['memory', 'mark', 'aaaa0001', 'nosuch01', '--dry-run']);
    await partial('memory-drain', ['memory-drain', '--dry-run']);
    await partial('memory-drain', ['memory-drain', '--command', 'false']);
    await run('memory-status', ['memory', 'status', 'aaaa0001', 'bbbb'], store);
    await run('memory-discard', ['memory', 'discard', 'aaaa0001'], store);
    await partial('memory-discard', ['memory', 'discard', 'aaaa0001', 'nosuch01']);
    await run('memory-drain', ['memory-drain', '--command', 'false', '--dry-run'], store);
    await partial('memory-drain', ['memory-drain', '--command', 'true']);
  });
});
