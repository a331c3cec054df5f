/** What the machine and the caller say about where things are. Nothing else is consulted. */
export interface Environment {
  /** Environment variables; a variable set to the empty string counts as unset. */
  variables: Readonly<Record<string, string | undefined>>;
  /** The user's home directory. */
  userHome: string;
  platform: NodeJS.Platform;
  cwd: string;
}

/** What the global flags say. */
export interface LocationFlags {
  stateDir?: string | undefined;
  hermesHome?: string | undefined;
  profile?: string | undefined;
}

/** Every environment variable that hermesctl reads, and what for. The documentation is checked against this list. */
export const ENVIRONMENT_VARIABLES = {
  HERMES_WEBUI_STATE_DIR: 'the store: the WebUI’s state directory (flag: --state-dir)',
  HERMES_HOME: 'the agent’s home (flag: --hermes-home)',
  HERMES_BASE_HOME: 'the home that holds `profiles/`, where it is not HERMES_HOME',
  HERMES_WEBUI_ATTACHMENT_DIR: 'where the WebUI keeps attachments, if not in the store',
  HERMES_WEBUI_DEFAULT_WORKSPACE: 'workspace of sessions that record none',
  HERMES_WEBUI_DEFAULT_MODEL: 'model of sessions that record none',
  LOCALAPPDATA: 'on Windows only: the default home is its `hermes`, and the cache its `hermesctl/cache`',
  OPENVIKING_ENDPOINT: 'memory: URL of the OpenViking server (flag: --endpoint)',
  OPENVIKING_API_KEY: 'memory: its key; there is no flag for it',
  OPENVIKING_ACCOUNT: 'memory: account at OpenViking (flag: --account)',
  OPENVIKING_USER: 'memory: user at OpenViking, else `default` (flag: --user)',
  OPENVIKING_AGENT: 'memory: on whose behalf, else `hermes` (flag: --agent)',
  OPENVIKING_CLI_CONFIG_FILE: 'memory: the `ovcli.conf` to use, where the configuration says to use one',
  HERMES_WEBUI_URL: 'where the running server is (flag: --server)',
  HERMES_WEBUI_HOST: 'the same, where no URL is given: its host, 127.0.0.1 by default',
  HERMES_WEBUI_PORT: 'and its port, 8787 by default',
  HERMES_WEBUI_PASSWORD: 'the running server’s password (flag: --password-file)',
  HERMESCTL_NO_CODE_CACHE: 'anything: compile the program anew at every start, and keep nothing of that',
  NODE_OPTIONS: 'Node.js’s own; what is compiled is kept apart for each value',
  NO_COLOR: 'any value: no colour',
  SHELL: 'set to `unknown` where it is missing, because oclif asks for it; not used',
  TERM: '`dumb`: no colour',
  TMPDIR: 'where a private copy of a database is made that cannot be read where it is',
  XDG_CACHE_HOME: 'the user’s directory for caches; ours is its `hermesctl`',
} as const;

export type VariableName = keyof typeof ENVIRONMENT_VARIABLES;
