/**
 * The variables of a `.env` file, as python-dotenv reads the common forms of
 * it: `NAME=value`, `export NAME=value`, quotes, and comments.
 */
export function readDotenv(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*)$/.exec(line);
    if (match) variables.set(match[1], dotenvValue(match[2]));
  }
  return variables;
}

function dotenvValue(text: string): string {
  const single = /^'((?:[^'\\]|\\.)*)'/.exec(text);
  if (single) return single[1].replace(/\\([\\'])/g, '$1');
  const double = /^"((?:[^"\\]|\\.)*)"/.exec(text);
  if (double) return double[1].replace(/\\n/g, '\n').replace(/\\(["\\$])/g, '$1');
  return text.replace(/(^|\s)#.*$/, '').trim();
}

/**
 * The scalars of a YAML file by their path (`memory.openviking.endpoint`), as
 * far as the agent's `config.yaml` needs it: mappings in block style, as the
 * agent writes them. Lists, block texts, anchors and flow style are stepped over.
 */
export function readYamlScalars(text: string): Map<string, string> {
  const scalars = new Map<string, string>();
  const open: { indent: number; key: string }[] = [];
  let blockIndent: number | undefined;
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const indent = /^ */.exec(line)![0].length;
    const content = line.slice(indent);
    if (content === '' || content.startsWith('#')) continue;
    if (blockIndent !== undefined && indent > blockIndent) continue;
    blockIndent = undefined;
    while (open.length > 0 && open.at(-1)!.indent >= indent) open.pop();
    const match =
      /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#'"[\]{},&*!|>%@`-][^:#]*?|-[^\s:#][^:#]*?)\s*:(?:\s+(.*))?$/.exec(
        content,
      );
    if (!match) {
      // An item of a list, or what we do not read: whatever is within it is not what we look for.
      if (content.startsWith('-')) open.push({ indent, key: '-' });
      continue;
    }
    const key = yamlScalar(match[1]) ?? match[1];
    const path = [...open.map((outer) => outer.key), key].join('.');
    const value = (match[2] ?? '').trim();
    if (/^[|>]/.test(value)) blockIndent = indent;
    else if (value === '' || value.startsWith('#')) open.push({ indent, key });
    else {
      const scalar = yamlScalar(value);
      if (scalar !== undefined) scalars.set(path, scalar);
    }
  }
  return scalars;
}

/** A scalar without quotes and comment; undefined for null and for what is none. */
function yamlScalar(text: string): string | undefined {
  const double = /^"((?:[^"\\]|\\.)*)"/.exec(text);
  if (double) return double[1].replace(/\\(["\\/])/g, '$1');
  const single = /^'((?:[^']|'')*)'/.exec(text);
  if (single) return single[1].replaceAll("''", "'");
  const plain = text.replace(/\s+#.*$/, '').trim();
  return /^[[{&*!]/.test(plain) || /^(~|null|Null|NULL|)$/.test(plain) ? undefined : plain;
}
