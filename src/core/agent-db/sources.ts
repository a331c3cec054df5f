import { isAscii } from 'node:buffer';

import { lower } from './continuation';
import type { SqlValue } from './values';

/** What a stored source stands for. */
export interface NormalSource {
  /** The source in lower case; null where none is recorded. */
  raw_source: string | null;
  /** The kind: `cli`, `messaging`, `cron`, `webhook`, `kanban`, `tool`, `api`, `webui` or `other`. */
  session_source: string;
  source_label: string;
}

/** The kinds of August's list (reference: webui-store §5.3). Sources are an open set: the rest is `other`. */
const KINDS: Record<string, string> = {
  webui: 'webui',
  acp: 'cli',
  cli: 'cli',
  tui: 'cli',
  discord: 'messaging',
  email: 'messaging',
  matrix: 'messaging',
  slack: 'messaging',
  telegram: 'messaging',
  wecom: 'messaging',
  wecom_callback: 'messaging',
  weixin: 'messaging',
  cron: 'cron',
  webhook: 'webhook',
  kanban: 'kanban',
  tool: 'tool',
  api_server: 'api',
};

/** Labels that title case would spell otherwise. */
const LABELS: Record<string, string> = {
  acp: 'ACP',
  api_server: 'API',
  cli: 'CLI',
  tui: 'TUI',
  webui: 'WebUI',
  wecom: 'WeCom',
  wecom_callback: 'WeCom Callback',
  unknown: 'Agent',
};

/** Kind and label of a session's source, in May's form with August's list. */
export function normalizedSource(source: SqlValue): NormalSource {
  const raw = lower(source) || 'unknown';
  return {
    raw_source: raw === 'unknown' ? null : raw,
    session_source: Object.hasOwn(KINDS, raw) ? KINDS[raw] : 'other',
    source_label: Object.hasOwn(LABELS, raw) ? LABELS[raw] : titleCase(raw.replaceAll('_', ' ')),
  };
}

/** Python's `str.title()`: the first letter of each run of letters is a capital, the others are not. */
export function titleCase(text: string): string {
  // To make the list of all letters takes longer than all else that is done with the sources of a store.
  const words = isAscii(Buffer.from(text)) ? /[A-Za-z]+/g : /\p{L}+/gu;
  return text.replace(words, (word) => {
    const [first, ...rest] = word;
    return first.toUpperCase() + rest.join('').toLowerCase();
  });
}
