// What scripts and people depend on of every command, for a file that shows each change of it in review.

/** By id, hidden commands too; only what a caller can see or rely on, in an order that does not move. */
export function commandSnapshot(commands, exitsOf) {
  const byName = (a, b) => (a < b ? -1 : 1);
  const snapshot = Object.keys(commands)
    .sort(byName)
    .map((id) => {
      const { aliases, hidden, strict, args, flags, exitCodes = [] } = commands[id];
      return {
        command: id.replaceAll(':', ' '),
        ...(hidden ? { hidden } : {}),
        aliases: aliases.map((alias) => alias.replaceAll(':', ' ')).sort(byName),
        args: Object.values(args).map((arg) =>
          kept({ name: arg.name, required: arg.required, options: arg.options, many: !strict }),
        ),
        flags: Object.fromEntries(
          Object.keys(flags)
            .sort(byName)
            .map((name) => [name, flagFacts(flags[name])]),
        ),
        exit: exitsOf(exitCodes),
        codes: [...exitCodes].sort(byName),
      };
    });
  // A flag on a line of its own: that is how changes are read.
  return JSON.stringify(snapshot, null, 2).replace(/\{\n\s+"(?:char|type|name)"[^{}]*\}/g, (fact) =>
    fact.replace(/\n\s*/g, ' '),
  );
}

function flagFacts(flag) {
  return kept({
    char: flag.char,
    type: flag.type,
    value: flag.type === 'option' ? flag.helpValue : undefined,
    options: flag.options,
    default: flag.default === false ? undefined : flag.default,
    multiple: flag.multiple,
    required: flag.required,
    allowNo: flag.allowNo,
    hidden: flag.hidden,
    aliases: flag.aliases,
    exclusive: flag.exclusive,
    dependsOn: flag.dependsOn,
    env: flag.env,
  });
}

/** Without what is not there, false or empty: half of the file would be that. */
function kept(facts) {
  return Object.fromEntries(
    Object.entries(facts).filter(
      ([, fact]) => fact !== undefined && fact !== false && !(Array.isArray(fact) && !fact.length),
    ),
  );
}
