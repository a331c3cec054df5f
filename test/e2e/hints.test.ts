import fs from 'node:fs';
import path from 'node:path';

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';

import { makeHome, strangersEnvironment } from '../support/fleet';
import { runInProcess } from '../support/in-process';
import { temporaryDirectory } from '../support/store';

interface Document {
  error?: { hint?: string };
  warnings: { message: string }[];
  findings?: { command: string | null }[];
  stores?: { error?: { hint?: string } }[];
}

async function run(args: string[], env: Record<string, string>): Promise<Document> {
  const { stdout } = await runInProcess([...args, '--json'], env);
  return JSON.parse(stdout) as Document;
}

/** A home whose path needs quoting, with a store without an index, and a caller who means another one. */
function elsewhere(): { home: string; dir: string; env: Record<string, string> } {
  const root = temporaryDirectory();
  const { home } = makeHome(root, "a man's home", { aaaa0001: {} });
  return { home, dir: path.join(home, 'webui'), env: strangersEnvironment(root) };
}

const asWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

describe('a command that is to be run next', () => {
  it('names the places that flags named', async () => {
    const { home, dir, env } = elsewhere();
    const there = `--state-dir ${asWord(dir)} --hermes-home ${asWord(home)}`;
    const flags = ['--state-dir', dir, '--hermes-home', home];
    expect((await run(['show', 'nope0001', ...flags], env)).error?.hint).toContain(
      `hermesctl sessions list --all ${there}'`,
    );
    const { findings, error } = await run(['doctor', ...flags], env);
    expect(findings!.map(({ command }) => command)).toContain(`hermesctl reindex ${there}`);
    expect(error?.hint).toContain(`hermesctl doctor --repair --dry-run ${there}'`);
    const wrong = await runInProcess(['show', ...flags], env);
    expect(wrong.stderr).toContain("'hermesctl sessions show --help'");
    const inProfile = await run(['show', 'nope0001', ...flags, '-p', 'work'], env);
    expect(inProfile.error?.hint).toContain(`hermesctl sessions list --all -p work ${there}'`);
  });

  it('names nothing where no flag did', async () => {
    const { home, dir, env } = elsewhere();
    const own = { ...env, HERMES_WEBUI_STATE_DIR: dir, HERMES_HOME: home };
    expect((await run(['show', 'nope0001'], own)).error?.hint).toContain("'hermesctl sessions list --all'");
  });

  it('names the store of a list that it is about, and the profile', async () => {
    const { home, dir, env } = elsewhere();
    const list = path.join(temporaryDirectory(), 'stores.txt');
    fs.writeFileSync(list, `${dir}\n`);
    for (const of of [home, path.join(home, 'profiles', 'work')]) {
      fs.mkdirSync(of, { recursive: true });
      fs.writeFileSync(path.join(of, 'state.db'), 'no database');
    }
    const there = `--state-dir ${asWord(dir)} --hermes-home ${asWord(home)}`;
    const { warnings } = await run(['usage', '--all-profiles', '--stores', list], env);
    expect(warnings.map(({ message }) => /'(hermesctl paths.*)' shows/.exec(message)?.[1])).toEqual([
      `hermesctl paths ${there}`,
      `hermesctl paths -p work ${there}`,
    ]);
    fs.rmSync(path.join(dir, 'sessions'), { recursive: true });
    fs.rmSync(dir, { recursive: true });
    const { stores } = await run(['usage', '--stores', list], env);
    expect(stores![0].error?.hint).toContain(`'hermesctl paths ${there}'`);
  });
});

it('is a warning that is said once, also where two parts of a command meet with it', async () => {
  const { home, dir, env } = elsewhere();
  const database = new Database(path.join(home, 'state.db'));
  database.exec('CREATE TABLE messages (id INTEGER PRIMARY KEY, session_id TEXT, role TEXT, content TEXT)');
  database.close();
  const { warnings } = await run(['stats', '--agent', '--state-dir', dir, '--hermes-home', home], env);
  expect(warnings).toMatchObject([{ message: expect.stringContaining('has no table of sessions') as string }]);
});
