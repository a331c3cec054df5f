import { type Node, spelled, valuePatterns } from './table';

/** A completion script for PowerShell 5.1 or newer. */
export function powershellCompletion(bin: string, nodes: readonly Node[]): string {
  return `# Completion of ${bin} for PowerShell. Made by '${bin} completion powershell'; make it anew after an upgrade.

Register-ArgumentCompleter -Native -CommandName '${bin}' -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)

  # By the words of a command or topic: what can follow, its flags, and what its arguments can be.
  $nodes = @{
${nodes.flatMap(nodeEntries).join('\n')}
  }
  # By command and flag, or by flag alone: what its value can be.
  $values = @{
${valueEntries(nodes).join('\n')}
  }

  function Get-Value($path, $flag) {
    if ($values.ContainsKey("$path $flag")) { return $values["$path $flag"] }
    return $values["* $flag"]
  }
  function New-Result($text, $summary) {
    $tip = if ($summary) { $summary } else { $text }
    [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $tip)
  }
  function Get-Offer($value, $current, $before) {
    if ($value -like 'words:*') {
      $value.Substring(6).Split(' ') | Where-Object { $_ -like "$current*" } | ForEach-Object { New-Result "$before$_" '' }
    } elseif ($value -like 'ids:*') {
      try {
        & $program complete-ids --titles --of $value.Substring(4) @store -- "$current" 2>$null | ForEach-Object {
          $id, $title = $_ -split "\`t", 2
          New-Result "$before$id" $title
        }
      } catch { }
    }
    # Nothing to offer for files and directories: PowerShell does that itself.
  }

  $words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
  $program = $words[0]
  $path = ''
  $count = 0
  $store = @()
  $ended = $false
  $helps = $false
  for ($i = 1; $i -lt $words.Count; $i++) {
    $word = $words[$i]
    if (-not $ended -and $word -eq '--') {
      $ended = $true
    } elseif (-not $ended -and $word -like '-?*') {
      $flag = $word.Split('=')[0]
      $value = Get-Value $path $flag
      if (-not $value -or $word.Contains('=')) { continue }
      $i++
      if ($i -ge $words.Count) { return Get-Offer $value $wordToComplete '' }
      if ('--state-dir', '--hermes-home', '--profile', '-p' -ccontains $flag) { $store += $flag, $words[$i].Trim('"', "'") }
    } elseif ($path -eq '' -and -not $helps -and $word -eq 'help') {
      $helps = $true
    } else {
      $longer = "$path $word".Trim()
      if ($count -eq 0 -and $nodes.ContainsKey($longer)) { $path = $longer } else { $count++ }
    }
  }

  $node = $nodes[$path]
  if (-not $ended -and $wordToComplete -like '--*=*') {
    $flag, $current = $wordToComplete -split '=', 2
    return Get-Offer (Get-Value $path $flag) $current "$flag="
  }
  if (-not $ended -and $wordToComplete -like '-*') {
    return $node.flags.Keys | Where-Object { $_ -clike "$wordToComplete*" } | Sort-Object | ForEach-Object { New-Result $_ $node.flags[$_] }
  }
  if ($count -eq 0) {
    $node.next.Keys | Where-Object { $_ -like "$wordToComplete*" } | Sort-Object | ForEach-Object { New-Result $_ $node.next[$_] }
  }
  if ($helps -or $node.args.Count -eq 0) { return }
  if ($count -lt $node.args.Count) { return Get-Offer $node.args[$count] $wordToComplete '' }
  if ($node.repeats) { Get-Offer $node.args[-1] $wordToComplete '' }
}
`;
}

const quoted = (text: string): string => `'${text.replace(/['\u2018\u2019]/g, "''")}'`;

/** A literal table. Its keys are compared without regard to capitals, so of `-l` and `-L` one command may have one. */
function hashtable(entries: readonly (readonly [string, string])[], indent: string): string {
  if (entries.length === 0) return '@{}';
  const lines = entries.map(([key, value]) => `${indent}  ${quoted(key)} = ${quoted(value)}`);
  return `@{\n${lines.join('\n')}\n${indent}}`;
}

function nodeEntries({ paths, next, flags, args, repeats }: Node): string[] {
  const words = next.map(({ word, summary }) => [word, summary] as const);
  const names = flags.flatMap((flag) => flag.names.map((name) => [name, flag.summary] as const));
  return paths.map((path) =>
    [
      `    ${quoted(path)} = @{`,
      `      next = ${hashtable(words, '      ')}`,
      `      flags = ${hashtable(names, '      ')}`,
      `      args = @(${args.map((arg) => quoted(spelled(arg))).join(', ')})`,
      `      repeats = $${String(repeats)}`,
      '    }',
    ].join('\n'),
  );
}

function valueEntries(nodes: readonly Node[]): string[] {
  return valuePatterns(nodes).flatMap(({ paths, names, value }) =>
    (paths === '*' ? ['*'] : paths).flatMap((path) =>
      names.map((name) => `    ${quoted(`${path} ${name}`)} = ${quoted(spelled(value))}`),
    ),
  );
}
