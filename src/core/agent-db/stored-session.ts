import { RawJson } from '../json/raw';
import type { AgentDatabase } from './database';
import { sqlJson, type SqlRow } from './values';

/**
 * All columns of a session's row, in the table's order, with its system prompt
 * in place where the row only names it. Undefined where there is no such
 * session. Throws as {@link AgentDatabase.all}.
 */
export async function storedColumns(database: AgentDatabase, id: string): Promise<[string, RawJson][] | undefined> {
  const columns = await database.columns('sessions');
  if (!columns.has('id')) return undefined;
  const row = await database.first('SELECT * FROM sessions WHERE id = ?', id);
  if (row === undefined) return undefined;
  const prompt = await systemPrompt(database, row);
  return [...columns].map((column) => [
    column,
    column === 'system_prompt' && prompt !== undefined ? prompt : sqlJson(row[column]),
  ]);
}

async function systemPrompt(database: AgentDatabase, row: SqlRow): Promise<RawJson | undefined> {
  const { system_prompt: own, system_prompt_hash: hash } = row;
  if (own != null || hash == null) return undefined;
  if ((await database.all('PRAGMA table_info(system_prompts)')).length === 0) return undefined;
  const found = await database.first('SELECT prompt FROM system_prompts WHERE hash = ?', hash);
  return found && sqlJson(found['prompt']);
}
