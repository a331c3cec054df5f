/** The store of the demo: `webui` and `hermes` below `root`. Times count back from `now`, in epoch seconds. */
export function makeDemoStore(root: string, now?: number): { stateDir: string; hermesHome: string };
