import { type Node, spelled, valuePatterns } from './table';

/** A completion script for fish 3 or newer. */
export function fishCompletion(bin: string, nodes: readonly Node[]): string {
  return `# Completion of ${bin} for fish. Made by '${bin} completion fish'; make it anew after an upgrade.

# The words that can stand behind $argv, one a line with what each is; fails where there is no such command or topic.
function __${bin}_next
    switch "$argv"
${nodes
  .map((node) =>
    nodeCase(
      node,
      node.next.map(({ word, summary }) => [word, summary]),
    ),
  )
  .join('\n')}
        case '*'
            return 1
    end
end

function __${bin}_flags
    switch "$argv"
${nodes
  .map((node) =>
    nodeCase(
      node,
      node.flags.flatMap(({ names, summary }) => names.map((name): [string, string] => [name, summary])),
    ),
  )
  .join('\n')}
    end
end

# What the value of a flag ($argv[2]) of a command ($argv[1]) can be; nothing where it takes none.
function __${bin}_value
    switch "$argv[1] $argv[2]"
${valuePatterns(nodes)
  .map(({ paths, names, value }) => caseOf(flagPatterns(paths, names), `echo ${quoted(spelled(value))}`))
  .join('\n')}
    end
end

# What the argument number $argv[2] (from 0) of a command ($argv[1]) can be.
function __${bin}_argument
    switch "$argv[1] $argv[2]"
${nodes.flatMap(argumentCases).join('\n')}
    end
end

# Offers what a value can be. Asks the program for ids, and says nothing where that fails.
function __${bin}_offer --argument-names kind current program
    set -l store $argv[4..-1]
    set -l limit
    command -q timeout; and set limit timeout 3
    switch "$kind"
        case files
            __fish_complete_path $current
        case directories
            __fish_complete_directories $current
        case programs
            __fish_complete_command
        case 'words:*'
            string split ' ' -- (string replace 'words:' '' -- $kind)
        case 'ids:*'
            command $limit $program complete-ids --titles --of (string replace 'ids:' '' -- $kind) $store -- "$current" 2>/dev/null </dev/null
    end
end

function __${bin}_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -l path
    set -l store
    set -l count 0
    set -l ended no
    set -l helps no
    set -l i 2
    while test $i -le (count $words)
        set -l word $words[$i]
        if test $ended = no; and test "$word" = --
            set ended yes
        else if test $ended = no; and string match -q -- '-?*' "$word"
            set -l flag (string replace -r '=.*' '' -- $word)
            set -l value (__${bin}_value "$path" "$flag")
            if test -n "$value"; and not string match -q -- '*=*' "$word"
                set i (math $i + 1)
                if test $i -gt (count $words)
                    __${bin}_offer "$value" "$current" $program $store
                    return
                end
                if contains -- $flag --state-dir --hermes-home --profile -p
                    set -a store $flag $words[$i]
                end
            end
        else if test -z "$path"; and test $helps = no; and test "$word" = help
            set helps yes
        else if test $count -eq 0; and __${bin}_next $path $word >/dev/null
            set -a path $word
        else
            set count (math $count + 1)
        end
        set i (math $i + 1)
    end
    if test $ended = no; and string match -q -- '--*=*' "$current"
        set -l flag (string replace -r '=.*' '' -- $current)
        for found in (__${bin}_offer (__${bin}_value "$path" $flag) (string replace -r '^[^=]*=' '' -- $current) $program $store)
            echo "$flag=$found"
        end
        return
    end
    if test $ended = no; and string match -q -- '-*' "$current"
        __${bin}_flags $path
        return
    end
    test $count -eq 0; and __${bin}_next $path
    test $helps = yes; and return
    __${bin}_offer (__${bin}_argument "$path" $count) "$current" $program $store
end

complete -c ${bin} -f -k -a '(__${bin}_complete)'
`;
}

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function caseOf(patterns: readonly string[], ...lines: string[]): string {
  return [`        case ${patterns.join(' ')}`, ...lines.map((line) => `            ${line}`)].join('\n');
}

function nodeCase({ paths }: Node, entries: readonly [word: string, summary: string][]): string {
  const lines = entries.map(([word, summary]) => quoted(`${word}\t${summary}`));
  return caseOf(paths.map(quoted), ...(lines.length > 0 ? [`printf '%s\\n' ${lines.join(' ')}`] : ['true']));
}

function flagPatterns(paths: '*' | string[], names: readonly string[]): string[] {
  const commands = paths === '*' ? ['*'] : paths;
  return commands.flatMap((path) => names.map((name) => quoted(`${path} ${name}`)));
}

function argumentCases({ paths, args, repeats }: Node): string[] {
  return args.map((completion, i) => {
    const isOpen = repeats && i === args.length - 1;
    const patterns = paths.map((path) => quoted(isOpen ? `${path} *` : `${path} ${i}`));
    return caseOf(patterns, `echo ${quoted(spelled(completion))}`);
  });
}
