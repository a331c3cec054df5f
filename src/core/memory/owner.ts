import type { Owner } from './lifecycle';

/** Whom turns are committed to: enough to find the place again, and nothing that opens it. */
export interface Identity {
  /** `openviking`, `command`, `holographic`, or what the agent's configuration names. */
  provider: string;
  /** The server's URL without anything secret; the program of `command`. */
  endpoint: string | null;
  account: string | null;
  user: string | null;
  /** On whose behalf: the peer that the agent acts as. */
  actor: string | null;
}

const KEYS = ['provider', 'endpoint', 'account', 'user', 'actor'] as const;

/** An identity as the ledger keeps it: two are the same exactly when their texts are. */
export function spellOwner(identity: Identity): Owner {
  return JSON.stringify(Object.fromEntries(KEYS.map((key) => [key, identity[key]])));
}

/** The identity that was spelled so; undefined for anything else. */
export function readOwner(text: string): Identity | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = value as Record<string, unknown>;
  if (Object.keys(fields).some((key) => !KEYS.includes(key as never))) return undefined;
  const texts = KEYS.map((key) => [key, fields[key] ?? null] as const);
  if (texts.some(([, text_]) => text_ !== null && typeof text_ !== 'string')) return undefined;
  const identity = Object.fromEntries(texts) as unknown as Identity;
  return identity.provider ? identity : undefined;
}

/** For people: `openviking http://127.0.0.1:1933 (default, hermes)`. */
export function describeOwner(owner: Owner | null): string {
  if (owner === null) return 'nobody';
  const identity = readOwner(owner);
  if (identity === undefined) return owner;
  const { provider, endpoint, account, user, actor } = identity;
  const who = [account, user, actor].filter((name) => name !== null).join('/');
  return [provider, endpoint, who && `(${who})`].filter(Boolean).join(' ');
}
