import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';

import type { Colors } from 'picocolors/types';

import type { Deps } from '../core/deps';
import { HermesctlError, type Warning } from '../core/errors';
import { nodeFileSystem } from '../core/files/file-system';
import type { Environment, LocationFlags } from '../core/location/environment';
import { type Location, locationOfStore, resolveLocation } from '../core/location/location';
import { forPlaces, type NamedPlaces, withCommands } from '../core/location/named-commands';
import { rowDefaults } from '../core/listing/rows';
import type { RowDefaults } from '../core/session/row';
import { errorEnvelope, JsonDocument, Renderer } from './output/document';
import { colors, type Terminal } from './output/terminal';
import { visibleLine } from './output/visible';
import { userHome } from '../launcher/user-home';
import { systemHttp } from './http';
import { systemProcesses } from './processes';
import { systemPrograms } from './programs';
import { ProgressLine } from './progress';
import { listenForSignals } from './signals';

/** The values of the flags that every command has. */
export interface GlobalFlagValues {
  'state-dir'?: string | undefined;
  'hermes-home'?: string | undefined;
  profile?: string | undefined;
  json?: boolean;
  ndjson?: boolean;
  quiet?: boolean;
  'no-color'?: boolean;
  verbose?: boolean;
}

export type Face = 'human' | 'json' | 'ndjson';

/**
 * What a command works with: where things are, what the core takes from
 * outside, and how to talk. One for each run of a command.
 */
export class Context {
  readonly location: Location;
  readonly deps: Deps;
  readonly defaults: RowDefaults;
  readonly environment: Environment;
  readonly face: Face;
  readonly warnings: Warning[] = [];
  private readonly said = new Set<string>();
  /** Of several stores, what a terminal's tables call each, by its state directory. */
  readonly storeNames = new Map<string, string>();
  private readonly progress: ProgressLine | undefined;
  private readonly stopSignals: () => void;
  private document: JsonDocument | undefined;

  constructor(
    readonly terminal: Terminal,
    private readonly flags: GlobalFlagValues,
  ) {
    this.environment = { variables: process.env, userHome: userHome(), platform: process.platform, cwd: process.cwd() };
    this.face = flags.json ? 'json' : flags.ndjson ? 'ndjson' : 'human';
    if (this.face === 'json') this.document = new JsonDocument(terminal.stdout, this.renderer());
    const signals = listenForSignals();
    const { breathe, sleep } = signals;
    this.stopSignals = signals.stop;
    const clock = { now: () => Date.now() / 1000, sleep };
    this.progress = flags.quiet ? undefined : new ProgressLine(terminal, clock, 'reading');
    this.deps = {
      fs: nodeFileSystem,
      clock,
      ids: { uuidHex: () => randomUUID().replaceAll('-', '') },
      processes: systemProcesses(process.argv.slice(2)),
      // Made when they are used: few commands do.
      get http() {
        return systemHttp(signals.interrupted);
      },
      get programs() {
        return systemPrograms(signals.interrupted);
      },
      get temporaryRoot() {
        return tmpdir();
      },
      breathe,
      progress: this.progress?.update ?? (() => undefined),
    };
    this.location = resolveLocation(this.locationFlags, this.environment, nodeFileSystem);
    this.defaults = rowDefaults(this.location, this.environment.userHome);
  }

  get colors(): Colors {
    const { variables } = this.environment;
    const wantsColor = !this.flags['no-color'] && !variables['NO_COLOR'] && variables['TERM'] !== 'dumb';
    return colors(wantsColor && this.isTerminal);
  }

  private get locationFlags(): LocationFlags {
    const { 'state-dir': stateDir, 'hermes-home': hermesHome, profile } = this.flags;
    return { stateDir, hermesHome, profile };
  }

  /**
   * This run as it looks at another store: output, progress and flags are the
   * same, places are that store's, and its warnings name it.
   */
  at(stateDir: string): Context {
    const location = locationOfStore(stateDir, this.locationFlags, this.environment, nodeFileSystem);
    const store = location.stateDir.value;
    const named = (message: string): string => (message.includes(store) ? message : `${store}: ${message}`);
    const places: NamedPlaces = { stateDir: store, home: location.profileHome.value };
    const warn = (...warnings: Warning[]): void =>
      this.warn(
        ...warnings.map((warning) => withPlaces({ ...warning, message: named(warning.message), store }, places)),
      );
    return Object.create(this, {
      location: { value: location },
      places: { value: places },
      defaults: { value: rowDefaults(location, this.environment.userHome) },
      warn: { value: warn },
    }) as Context;
  }

  /** What flags named: a command that is to be run next has to name it too. */
  private get places(): NamedPlaces {
    const { 'state-dir': stateDir, 'hermes-home': home, profile } = this.flags;
    const { location, environment } = this;
    return {
      stateDir: stateDir ? location.stateDir.value : undefined,
      // Not the home that was found: that of a profile has a store of its own beside it.
      home: home ? (home.startsWith('~') ? location.baseHome.value : resolve(environment.cwd, home)) : undefined,
      profile: profile || undefined,
    };
  }

  /** A failure with what it says to be run next as it is for the places that this run was told. */
  placed(error: HermesctlError): HermesctlError {
    const { code, message, hint, details, cause } = error;
    const changed = hint === undefined ? undefined : withCommands(hint, (command) => this.here(command));
    if (hint === changed) return error;
    const placed = new HermesctlError(code, message, { hint: changed!, details, cause });
    return Object.assign(placed, { stack: error.stack });
  }

  /** Whether a person is reading standard output. */
  get isTerminal(): boolean {
    return this.terminal.stdoutIsTerminal;
  }

  /** The profile that -p narrows to; without it sessions of all profiles are meant. */
  get profileFilter(): string | undefined {
    return this.flags.profile;
  }

  /** What the progress line says is being done, where that is not reading. */
  doing(label: string): void {
    if (this.progress) this.progress.label = label;
  }

  /** Wipes the progress line: something else is to be shown in its place. */
  endProgress(): void {
    this.progress?.clear();
  }

  /** A command that a text names to be run, as it is for the places that this run was told. */
  here(command: string): string {
    return forPlaces(command, this.places);
  }

  warn(...warnings: Warning[]): void {
    for (const given of warnings) {
      const warning = withPlaces(given, this.places);
      // What two parts of a command both meet is said once.
      const said = JSON.stringify(warning);
      if (this.said.has(said)) continue;
      this.said.add(said);
      this.warnings.push(warning);
      if (this.face === 'human') this.note(`warning: ${warning.message}`, true);
      else if (this.face === 'ndjson') this.terminal.stderr.write(`${JSON.stringify({ warning })}\n`);
    }
  }

  /** A word to a person, on standard error: not with --quiet, and never in a machine's face. */
  note(text: string, always = false): void {
    if (this.face !== 'human' || (this.flags.quiet && !always)) return;
    this.progress?.clear();
    this.terminal.stderr.write(`${visibleLine(withCommands(text, (command) => this.here(command)))}\n`);
  }

  /** How something was decided, for a person who asks with --verbose. */
  detail(text: string): void {
    if (this.flags.verbose) this.note(text, true);
  }

  /** What went wrong with single items of a command that went on; the JSON face has them in its document. */
  failures(failures: readonly { session_id: string; error: HermesctlError }[]): void {
    for (const { session_id, error } of failures) this.failure({ session_id }, error);
  }

  /** What went wrong with one of the things that a command works on; the JSON face has it in its document. */
  failure(of: Record<string, string>, error: HermesctlError): void {
    if (this.face === 'ndjson')
      this.terminal.stderr.write(`${JSON.stringify({ ...of, error: errorEnvelope(error) })}\n`);
    else {
      const { store, ...rest } = of;
      const named = store === undefined || error.message.includes(store) ? [] : [store];
      this.note([...named, ...Object.values(rest), error.message].join(': '), true);
    }
  }

  /** Wipes the progress line, for a command that shows results while it works. */
  clearProgress(): void {
    this.progress?.clear();
  }

  /** One line of human output. What comes from the store goes through `visibleLine` first. */
  line(text = ''): void {
    this.terminal.stdout.write(`${text}\n`);
  }

  renderer(keepNonFinite = false): Renderer {
    return new Renderer((warning) => this.warn(warning), keepNonFinite);
  }

  /** Shows the result in the face that was asked for; each face is built only if it is. */
  async show(faces: {
    json: (document: JsonDocument) => Promise<void> | void;
    human: () => Promise<void> | void;
    ndjson?: () => Promise<void> | void;
  }): Promise<void> {
    this.progress?.clear();
    if (this.document) await faces.json(this.document);
    else if (this.face === 'ndjson' && faces.ndjson) await faces.ndjson();
    else await faces.human();
  }

  /** Ends the output of a command that did what it was asked. */
  finish(): void {
    this.progress?.clear();
    this.document?.end(this.warnings);
    this.terminal.stdout.flush();
    this.terminal.stderr.flush();
  }

  /** Lets go of what is held for the command's time, however it ended. */
  close(): void {
    this.stopSignals();
  }

  get openDocument(): JsonDocument | undefined {
    this.progress?.clear();
    return this.document;
  }
}

/** A warning with the commands that it names as they are for these places. */
function withPlaces(warning: Warning, places: NamedPlaces): Warning {
  const change = (command: string): string => forPlaces(command, places);
  const message = withCommands(warning.message, change);
  const { command } = warning;
  return { ...warning, message, ...(typeof command === 'string' ? { command: change(command) } : {}) };
}
