import type { LineageEntry, LineageReport } from '../core/agent-db/report';
import { toFloat } from '../core/json/python';
import type { Context } from './context';
import { isoTime, localTime } from './output/time';
import { visibleLine } from './output/visible';

/**
 * Draws a lineage for a person: the segments from the first to the one asked
 * for, below each what was started from it.
 */
export function drawLineage(context: Context, report: LineageReport): void {
  const { bold, dim } = context.colors;
  const segments = [...report.segments].reverse();
  segments.forEach((segment, i) => {
    const isLast = i === segments.length - 1;
    const [knot, line] = segments.length === 1 ? ['●', ' '] : [i === 0 ? '┌' : isLast ? '└' : '├', isLast ? ' ' : '│'];
    const id = visibleLine(segment.session_id);
    context.line(`${dim(knot)} ${segment.role === 'tip' ? bold(id) : id}  ${facts(context, segment)}`);
    const children = report.children.filter((child) => child.parent_session_id === segment.session_id);
    children.forEach((child, at) => {
      const branch = at === children.length - 1 ? '└─' : '├─';
      context.line(`${dim(`${line}   ${branch}`)} ${visibleLine(child.session_id)}  ${facts(context, child)}`);
    });
  });
  if (report.manual_review) {
    context.note('The conversation goes on in another session too, or its parents are not as they should be.');
  }
}

function facts(context: Context, entry: LineageEntry): string {
  const text = (value: unknown): string => (typeof value === 'string' ? visibleLine(value) : '');
  const ended = entry.active ? 'open' : text(entry.end_reason.value()) || 'ended';
  const parts = [text(entry.source.value()), localTime(toFloat(entry.started_at.value())), ended];
  const title = text(entry.title.value());
  return [context.colors.dim(parts.filter((part) => part !== '').join(', ')), title].filter((part) => part).join('  ');
}

/** The same for a script: a line each, from the first segment to the one asked for, then the children. */
export function printLineage(context: Context, report: LineageReport): void {
  for (const entry of [...[...report.segments].reverse(), ...report.children]) {
    const { role, session_id: id, parent_session_id: parent, source, started_at: started, end_reason: reason } = entry;
    const cells = [
      role,
      id,
      parent,
      source.value(),
      isoTime(toFloat(started.value())),
      reason.value(),
      entry.title.value(),
    ];
    context.line(cells.map((cell) => (cell === null ? '' : visibleLine(String(cell)))).join('\t'));
  }
}
