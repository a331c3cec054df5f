import type { Deps } from '../deps';
import { HermesctlError } from '../errors';
import { HttpFailure, type HttpResponse } from '../http';

/** How a WebUI server is reached. */
export interface ServerAccess {
  /** Without a slash at its end. */
  url: string;
  /** Undefined where none is known. */
  password: string | undefined;
}

const TIMEOUT_MS = 30_000;

/** An answer to a request that was understood: a JSON object. */
export type ServerAnswer = Record<string, unknown>;

/**
 * Speaks to a WebUI server as a program and not a browser: without an origin,
 * which is what its rules against forged requests ask of one. Logs in when the
 * server wants it, once; asks for the profile that the session is of.
 */
export class WebuiClient {
  private readonly cookies = new Map<string, string>();
  private loggedIn = false;
  /** The profile that the server gave us, behind a password. */
  private profile: string | undefined;

  constructor(
    private readonly access: ServerAccess,
    private readonly deps: Pick<Deps, 'http'>,
  ) {}

  get url(): string {
    return this.access.url;
  }

  /**
   * Asks the server to change a session.
   *
   * @throws HermesctlError `AUTH_FAILED`, `UNREACHABLE`, `OUTCOME_UNKNOWN`, `SERVER_ERROR`, `SESSION_NOT_FOUND`, `SESSION_BUSY`, `READ_ONLY_SESSION`, `REFUSED`.
   */
  async change(path: string, profile: string, body: { session_id: string } & ServerAnswer): Promise<ServerAnswer> {
    await this.useProfile(profile);
    let response = await this.send(path, body);
    if (response.status === 401) {
      await this.logIn();
      await this.useProfile(profile);
      response = await this.send(path, body);
    }
    return this.answer(response, body.session_id);
  }

  /**
   * @param entering whether it only lets us in: then nothing is changed, whatever becomes of it.
   * @throws HermesctlError `UNREACHABLE` where nothing was changed, `OUTCOME_UNKNOWN` where the server may have done it.
   */
  private async send(path: string, body: object, { entering = false } = {}): Promise<HttpResponse> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    try {
      return await this.deps.http.request({
        method: 'POST',
        url: this.access.url + path,
        headers: { 'content-type': 'application/json', cookie },
        body: JSON.stringify(body),
        timeoutMs: TIMEOUT_MS,
      });
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      throw error.sent && !entering
        ? new HermesctlError('OUTCOME_UNKNOWN', `The server at ${this.access.url} did not answer: ${error.message}.`, {
            hint: 'It may have made the change. Look before you repeat the command.',
            details: { url: this.access.url, kind: error.kind },
            cause: error,
          })
        : new HermesctlError('UNREACHABLE', `The server at ${this.access.url} cannot be reached: ${error.message}.`, {
            hint: 'Nothing was changed. If the server is gone, --via disk changes the files.',
            details: { url: this.access.url, kind: error.kind },
            cause: error,
          });
    }
  }

  private async logIn(): Promise<void> {
    const { password, url } = this.access;
    if (password === undefined || this.loggedIn) {
      throw authFailed(url, 'wants a password', 'Give it in HERMES_WEBUI_PASSWORD or with --password-file.');
    }
    const response = await this.send('/api/auth/login', { password }, { entering: true });
    if (response.status === 429) throw authFailed(url, 'has seen too many wrong passwords', 'Try again in a minute.');
    if (response.status !== 200) {
      throw authFailed(url, 'rejects the password', 'Check HERMES_WEBUI_PASSWORD or the file of --password-file.');
    }
    this.loggedIn = true;
    this.keepCookies(response);
  }

  /**
   * A session is only found in its own profile. Without a password its name is
   * enough; behind one the server takes it only in a form that it made itself.
   */
  private async useProfile(name: string): Promise<void> {
    if (this.profile === name) return;
    if (!this.loggedIn) {
      this.cookies.set('hermes_profile', name);
      return;
    }
    const response = await this.send('/api/profile/switch', { name }, { entering: true });
    if (response.status === 200) {
      this.profile = name;
      this.keepCookies(response);
      return;
    }
    const said = jsonObject(response.body)?.['error'];
    const why = typeof said === 'string' ? said.replace(/[.\s]*$/, '') : `status ${response.status}`;
    throw new HermesctlError('REFUSED', `The server does not give us the profile ${name}: ${why}.`, {
      hint: 'A session is changed in its own profile.',
      details: { url: this.access.url, profile: name, status: response.status },
    });
  }

  private keepCookies({ headers }: HttpResponse): void {
    // Several come joined by a comma, and a date has one too: what begins a cookie is a name and an equals sign.
    for (const cookie of (headers['set-cookie'] ?? '').split(/,\s*(?=[^;,\s=]+=)/)) {
      const [pair] = cookie.split(';');
      const at = pair.indexOf('=');
      if (at > 0) this.cookies.set(pair.slice(0, at).trim(), pair.slice(at + 1).trim());
    }
  }

  private answer(response: HttpResponse, id: string): ServerAnswer {
    const body = jsonObject(response.body);
    if (response.status === 200 && body) return body;
    const said = typeof body?.['error'] === 'string' ? body['error'] : `status ${response.status}`;
    const details = { session_id: id, url: this.access.url, status: response.status, error: said };
    const failed = (
      code: ConstructorParameters<typeof HermesctlError>[0],
      words: string,
      hint?: string,
    ): HermesctlError =>
      new HermesctlError(code, `${words}: ${said.replace(/[.\s]*$/, '')}.`, { ...(hint ? { hint } : {}), details });
    switch (response.status) {
      case 400:
        return raise(failed('REFUSED', `The server refuses to change session ${id}`));
      case 401:
        return raise(failed('AUTH_FAILED', 'The server does not let us in'));
      case 403:
        return raise(
          /read-only/i.test(said)
            ? failed('READ_ONLY_SESSION', `Session ${id} is read-only`)
            : failed('AUTH_FAILED', 'The server does not let us in'),
        );
      case 404:
        return raise(failed('SESSION_NOT_FOUND', `The server has no session ${id}`));
      case 409:
      case 503:
        return raise(failed('SESSION_BUSY', `Session ${id} is busy`, 'Try again when its turn has ended.'));
      default:
        return raise(
          failed('SERVER_ERROR', `The server at ${this.access.url} failed`, 'Look before you repeat the command.'),
        );
    }
  }
}

function raise(error: HermesctlError): never {
  throw error;
}

function authFailed(url: string, why: string, hint: string): HermesctlError {
  return new HermesctlError('AUTH_FAILED', `The server at ${url} ${why}.`, { hint, details: { url } });
}

function jsonObject(text: string): ServerAnswer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as ServerAnswer) : undefined;
  } catch {
    return undefined;
  }
}
