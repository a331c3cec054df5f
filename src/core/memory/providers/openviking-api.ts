import type { Deps } from '../../deps';
import { HttpFailure, type HttpResponse } from '../../http';
import type { ProviderSettings } from '../settings';
import { failed, ProviderFailure } from './provider';

/** For how long the calls of one commit may run, and how they are given up. */
export interface Budget {
  /** Epoch seconds. */
  deadlineAt: number;
  signal: AbortSignal;
}

/** An answer in OpenViking's envelope. */
export interface Answer {
  status: number;
  result: Record<string, unknown>;
  error: { code: string; message: string } | undefined;
  /** False where what answered is not OpenViking, by its looks. */
  isEnvelope: boolean;
  /** How far the server's clock is ahead of ours, in seconds; 0 where it does not tell, or hardly. */
  clockAhead: number;
  /** Seconds that it asks to wait. */
  retryAfter: number | undefined;
}

interface Call {
  method: 'GET' | 'POST';
  /** Below `/api/v1`, URL-encoded. */
  path: string;
  body?: unknown;
}

const ATTEMPTS = 3;
const BACKOFF_SECONDS = 0.5;
/** A server's clock this much off is off; less is the network. */
const CLOCK_TOLERANCE = 5;
const TOLD = 300;
const SECRET = '***';

/**
 * The HTTP calls of OpenViking (reference: hermes-agent §4): headers, time
 * limits, and repetition where it is safe: of what only asks, of what nobody
 * has read, and of what was turned away for being too much (429).
 */
export class OpenVikingApi {
  private readonly base: string;
  private readonly secrets: string[];
  private tenantToo = false;

  constructor(
    private readonly settings: ProviderSettings,
    private readonly timeoutSeconds: number,
    private readonly deps: Pick<Deps, 'http' | 'clock' | 'ids'>,
  ) {
    this.base = `${settings.identity.endpoint ?? ''}/api/v1`;
    this.secrets = [settings.apiKey, ...Object.values(settings.extraHeaders)].filter(
      (secret): secret is string => secret !== undefined && secret !== '',
    );
  }

  get endpoint(): string {
    return this.settings.identity.endpoint ?? '';
  }

  get hasKey(): boolean {
    return this.settings.apiKey !== undefined;
  }

  /** Text of the server's, fit to be shown: on one line, and without what was secret in the request. */
  told(text: string): string {
    let shown = text;
    for (const secret of this.secrets) shown = shown.replaceAll(secret, SECRET);
    return shown.replace(/\s+/g, ' ').trim().slice(0, TOLD);
  }

  /** @throws ProviderFailure where no answer came. */
  async call(call: Call, budget: Budget): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt === ATTEMPTS;
      let response: HttpResponse;
      try {
        response = await this.send(call, budget);
      } catch (error) {
        if (!(error instanceof HttpFailure)) throw error;
        const isSafe = call.method === 'GET' || !error.sent;
        const mayPass = error.kind === 'unreachable' || error.kind === 'reset';
        if (isLast || !isSafe || !mayPass || !(await this.pause(this.backoff(attempt), budget))) {
          throw new ProviderFailure(this.noAnswer(error, call, budget));
        }
        continue;
      }
      const answer = this.read(response);
      if (this.wantsTenant(answer)) {
        this.tenantToo = true;
        continue;
      }
      const isBusy = response.status === 429 || (call.method === 'GET' && response.status >= 500);
      if (isLast || !isBusy || !(await this.pause(answer.retryAfter ?? this.backoff(attempt), budget))) return answer;
    }
  }

  private async send({ method, path, body }: Call, { deadlineAt, signal }: Budget): Promise<HttpResponse> {
    const left = Math.max(0, deadlineAt - this.deps.clock.now());
    return this.deps.http.request({
      method,
      url: `${this.base}${path}`,
      headers: this.headers(),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      timeoutMs: Math.ceil(Math.min(this.timeoutSeconds, left) * 1000),
      signal,
    });
  }

  /** With a key the server knows whose it is; a server that trusts its network is told. */
  private headers(): Record<string, string> {
    const { identity, apiKey, extraHeaders } = this.settings;
    const { account, user, actor } = identity;
    return {
      ...extraHeaders,
      'Content-Type': 'application/json',
      ...(actor === null ? {} : { 'X-OpenViking-Actor-Peer': actor }),
      ...(apiKey === undefined || this.tenantToo
        ? {
            ...(account === null ? {} : { 'X-OpenViking-Account': account }),
            ...(user === null ? {} : { 'X-OpenViking-User': user }),
          }
        : {}),
      ...(apiKey === undefined ? {} : { 'X-API-Key': apiKey, Authorization: `Bearer ${apiKey}` }),
    };
  }

  private wantsTenant({ status, error }: Answer): boolean {
    const asks = status === 400 && /Trusted mode requests must include/.test(error?.message ?? '');
    return asks && !this.tenantToo && this.settings.apiKey !== undefined;
  }

  private read({ status, headers, body }: HttpResponse): Answer {
    const envelope = parseObject(body);
    const error = asObject(envelope?.['error']);
    const sent = Date.parse(headers['date'] ?? '') / 1000;
    const now = this.deps.clock.now();
    const ahead = Number.isNaN(sent) ? 0 : sent - now;
    return {
      status,
      result: asObject(envelope?.['result']) ?? {},
      error: error && { code: String(error['code']), message: this.told(String(error['message'])) },
      isEnvelope: envelope?.['status'] === 'ok' || (envelope?.['status'] === 'error' && error !== undefined),
      clockAhead: Math.abs(ahead) > CLOCK_TOLERANCE ? ahead : 0,
      retryAfter: retryAfter(headers['retry-after'], now),
    };
  }

  private noAnswer(error: HttpFailure, { method }: Call, { signal }: Budget): ReturnType<typeof failed> {
    const isUnknown = error.sent && method === 'POST';
    const why = this.told(error.message);
    if (signal.aborted || error.kind === 'aborted') {
      const code = isUnknown ? 'OUTCOME_UNKNOWN' : 'UNREACHABLE';
      return failed('deadline', code, `The time was up before ${this.endpoint} answered.`);
    }
    if (isUnknown) {
      return failed('outcome_unknown', 'OUTCOME_UNKNOWN', `${why}: whether it has committed is not known.`);
    }
    return failed('unreachable', 'UNREACHABLE', `OpenViking did not answer (${why}).`, true);
  }

  /** Half of it by chance, so that many who failed at once do not come again at once. */
  private backoff(attempt: number): number {
    const chance = Number.parseInt(this.deps.ids.uuidHex().slice(0, 8), 16) / 0xffffffff;
    return BACKOFF_SECONDS * 2 ** (attempt - 1) * (0.5 + chance / 2);
  }

  /** Waits, unless there is no time for it. */
  private async pause(seconds: number, { deadlineAt, signal }: Budget): Promise<boolean> {
    if (signal.aborted || this.deps.clock.now() + seconds >= deadlineAt) return false;
    await this.deps.clock.sleep(seconds, signal);
    return !signal.aborted;
  }
}

/** Seconds that the server asks to wait: a number, or a date. */
function retryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  const at = Date.parse(value) / 1000;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
