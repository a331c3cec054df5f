import type { Changed, ChangeTarget, MetadataResult, RetryResult, UndoResult } from '../changes/sessions';
import { type DeleteOptions, type DeleteResult, planDelete, resultOf } from '../changes/delete';
import type { ImportSaver } from '../changes/import-run';
import type { Deps } from '../deps';
import { HermesctlError, type Warning } from '../errors';
import { sessionNotFound } from '../listing/resolve-id';
import { DEFAULT_PROFILE } from '../location/location';
import { backupPath } from '../sidecar/backup';
import { assertMayChange } from '../sidecar/edit';
import type { MetadataChange } from '../sidecar/metadata-edit';
import { scanSidecar, type ScannedSidecar, sidecarPath } from '../sidecar/read';
import type { TruncateCommand, TruncateOptions } from '../sidecar/truncate';
import type { WebuiClient } from './client';

/** What every result of a server has besides the fields that the same change on the disk gives. */
export interface ViaServer {
  via: 'server';
}

/** A save by the server keeps its index too. */
const INDEXED = { updated: true } as const;

type Where = Pick<ChangeTarget, 'location'>;

/**
 * The session as the disk has it, which may be behind the server's memory:
 * enough for what the server itself does not ask (seed 003 knows no busy session).
 *
 * @throws HermesctlError `SESSION_NOT_FOUND`, `SESSION_DAMAGED`, `SESSION_BUSY`, `READ_ONLY_SESSION`
 */
function lookFirst(
  { location }: Where,
  id: string,
  options: Parameters<typeof assertMayChange>[1],
  deps: Deps,
): ScannedSidecar {
  const sidecar = scanSidecar(deps.fs, location.sessionsDir.value, id);
  if (!sidecar) throw sessionNotFound(id, location);
  assertMayChange(sidecar, options);
  return sidecar;
}

function profileOf(sidecar: ScannedSidecar): string {
  const profile = sidecar.fields.get('profile')?.value();
  return typeof profile === 'string' && profile !== '' ? profile : DEFAULT_PROFILE;
}

async function truncate(
  command: TruncateCommand,
  client: WebuiClient,
  where: Where,
  id: string,
  options: TruncateOptions,
  deps: Deps,
): Promise<{ answer: Record<string, unknown>; messageCount: number; backup: string }> {
  if (options.turns !== 1) {
    throw new HermesctlError('REFUSED', `The server takes back one turn at a time, not ${options.turns}.`, {
      hint: `Run the command ${options.turns} times, or stop the server.`,
      details: { session_id: id },
    });
  }
  const before = lookFirst(where, id, options, deps);
  const answer = await client.change(`/api/session/${command}`, profileOf(before), { session_id: id });
  if (typeof answer['error'] === 'string') {
    const code = command === 'undo' ? 'NOTHING_TO_UNDO' : 'NOTHING_TO_RETRY';
    throw new HermesctlError(code, answer['error'], { details: { session_id: id } });
  }
  const removed = Number(answer['removed_count']);
  return {
    answer,
    messageCount: messagesNow(where, id, deps) ?? Math.max(0, before.transcript.count - removed),
    backup: backupPath(sidecarPath(where.location.sessionsDir.value, id)),
  };
}

function messagesNow({ location }: Where, id: string, deps: Deps): number | undefined {
  try {
    return scanSidecar(deps.fs, location.sessionsDir.value, id)?.transcript.count;
  } catch (error) {
    if (error instanceof HermesctlError) return undefined; // the change is made; only the count is not to be had
    throw error;
  }
}

/** {@link undoSession} by the server that has the store. Throws as `WebuiClient.change`, and `NOTHING_TO_UNDO`. */
export async function undoOnServer(
  client: WebuiClient,
  where: Where,
  id: string,
  options: TruncateOptions,
  deps: Deps,
): Promise<Changed<UndoResult & ViaServer>> {
  const { answer, messageCount, backup } = await truncate('undo', client, where, id, options, deps);
  return {
    result: {
      session_id: id,
      removed_count: Number(answer['removed_count']),
      removed_preview: String(answer['removed_preview'] ?? ''),
      message_count: messageCount,
      backup,
      index: INDEXED,
      via: 'server',
    },
    warnings: [],
  };
}

/** {@link retrySession} by the server that has the store. Throws as `WebuiClient.change`, and `NOTHING_TO_RETRY`. */
export async function retryOnServer(
  client: WebuiClient,
  where: Where,
  id: string,
  options: TruncateOptions,
  deps: Deps,
): Promise<Changed<RetryResult & ViaServer>> {
  const { answer, messageCount, backup } = await truncate('retry', client, where, id, options, deps);
  return {
    result: {
      session_id: id,
      last_user_text: String(answer['last_user_text'] ?? ''),
      removed_count: Number(answer['removed_count']),
      message_count: messageCount,
      backup,
      index: INDEXED,
      via: 'server',
    },
    warnings: [],
  };
}

/** {@link changeMetadata} by the server that has the store. Throws as `WebuiClient.change`. */
export async function changeMetadataOnServer(
  client: WebuiClient,
  where: Where,
  id: string,
  change: MetadataChange,
  force: boolean,
  deps: Deps,
): Promise<Changed<MetadataResult & ViaServer>> {
  const [key, wanted] = Object.entries(change)[0] as [keyof MetadataResult, unknown];
  const endpoint = { title: 'rename', pinned: 'pin', archived: 'archive' }[key as 'title' | 'pinned' | 'archived'];
  const before = lookFirst(where, id, { force, readOnlyToo: !('title' in change) }, deps);
  const answer = await client.change(`/api/session/${endpoint}`, profileOf(before), { session_id: id, [key]: wanted });
  const now = (answer['session'] as Record<string, unknown> | undefined)?.[key] ?? wanted;
  const was = before.fields.get(key)?.value() ?? (key === 'title' ? undefined : false);
  const result = { session_id: id, changed: was !== now, [key]: now, index: INDEXED, via: 'server' as const };
  return { result, warnings: [] };
}

/**
 * Saves what an import decided through the server that has the store: what is
 * to be left alone was left alone before it is asked. Throws as `WebuiClient.change`.
 */
export function importOnServer(client: WebuiClient, profile: string): ImportSaver {
  return {
    save: async ({ session_id: id }) => {
      await client.change('/api/session/import_cli', profile, { session_id: id });
      return [];
    },
    index: () => Promise.resolve(INDEXED),
  };
}

/**
 * {@link planDelete}, and the deletion by the server that has the store, which
 * keeps nothing. Throws as `planDelete` and `WebuiClient.change`.
 */
export async function deleteOnServer(
  client: WebuiClient,
  { location }: Where,
  id: string,
  options: DeleteOptions,
  deps: Deps,
): Promise<{ result: DeleteResult & ViaServer; warnings: Warning[] }> {
  const plan = await planDelete(location, id, options, deps);
  const profile = plan.profile ?? location.profile.value;
  const answer = await client.change('/api/session/delete', profile, { session_id: id });
  const warnings = [...plan.warnings];
  if (answer['state_db_cleanup_failed'] === true) {
    warnings.push({
      code: 'ROWS_NOT_DELETED',
      message: `The server deleted session ${id}, and could not remove its rows from the agent's database.`,
      session_id: id,
      command: `hermesctl sessions delete ${id} --agent-only --via disk`,
    });
  }
  return { result: { ...resultOf(plan), via: 'server' }, warnings };
}
