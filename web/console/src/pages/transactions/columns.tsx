import { Link } from 'react-router'
import { useMemo } from 'react'
import { useLanguage, useWords, type Say } from '@/i18n'
import { count, span } from '@/i18n/format.ts'
import type { Column } from '@/shared/DataTable.tsx'
import { StatusBadge } from '@/shared/StatusBadge.tsx'
import { useNow, When } from '@/shared/When.tsx'
import { RowXid } from '@/shared/Xid.tsx'
import { tookMs, type Row } from './live.ts'
import type { ColumnId } from './prefs.ts'
import classes from './transactions.module.css'
import { words, type Word } from './words.ts'

const causes: Readonly<Record<string, Word>> = {
  requested: 'causeRequested',
  timeout: 'causeTimeout',
  reported: 'causeReported',
  operator: 'causeOperator',
  checked: 'causeChecked',
  completed: 'causeCompleted',
  refused: 'causeRefused',
}

/** headings are the words over the columns. */
export const headings: Readonly<Record<ColumnId, Word>> = {
  id: 'colId',
  status: 'colStatus',
  name: 'colName',
  application: 'colApplication',
  began: 'colBegan',
  took: 'colTook',
  branches: 'colBranches',
  cause: 'colCause',
  next: 'colNext',
  group: 'colGroup',
  saga: 'colSaga',
  key: 'colKey',
  deadline: 'colDeadline',
  ended: 'colEnded',
  xid: 'colXid',
}

const widths: Readonly<Record<ColumnId, string>> = {
  id: '192px',
  status: '204px',
  name: 'minmax(120px, 2fr)',
  application: 'minmax(112px, 1fr)',
  began: '116px',
  took: '116px',
  branches: '80px',
  cause: 'minmax(100px, 1fr)',
  next: '116px',
  group: 'minmax(100px, 1fr)',
  saga: 'minmax(120px, 1fr)',
  key: 'minmax(110px, 1fr)',
  deadline: '116px',
  ended: '116px',
  xid: 'minmax(290px, 1fr)',
}

/** Took shows how long it took, or how long it has been under way. */
function Took({ row }: { row: Row }) {
  const now = useNow()
  return <span className={row.endedAt ? undefined : classes['going']}>{span(tookMs(row, now))}</span>
}

function Maybe({ text }: { text?: string | undefined }) {
  return text ? <span title={text}>{text}</span> : <span className="dim">–</span>
}

function cells(t: Say<Word>): Readonly<Record<ColumnId, Column<Row>['cell']>> {
  return {
    id: (row) => <RowXid xid={row.xid ?? ''} />,
    status: (row) => <StatusBadge status={row.status} stuck={row.stuck} heuristic={row.heuristic} />,
    name: (row) => <Maybe text={row.name} />,
    application: (row) => <Maybe text={row.application} />,
    began: (row) => <When plain at={row.beganAt} />,
    took: (row) => <Took row={row} />,
    branches: (row) => count(row.branchCount ?? 0),
    cause: (row) => <Maybe text={row.cause && t(causes[row.cause]!)} />,
    next: (row) => <When plain at={row.nextAttemptAt} />,
    group: (row) => <Maybe text={row.group} />,
    saga: (row) =>
      row.saga ? <Link to={`/runs/${row.id}`}>{`${row.saga} v${row.sagaVersion ?? 1}`}</Link> : <Maybe />,
    key: (row) => <Maybe text={row.sagaKey} />,
    deadline: (row) => (row.decision ? <Maybe /> : <When plain at={row.deadline} />),
    ended: (row) => <When plain at={row.endedAt} />,
    xid: (row) => <RowXid xid={row.xid ?? ''} whole />,
  }
}

/** useColumns returns the columns of the table in an order. */
export function useColumns(ids: readonly ColumnId[]): readonly Column<Row>[] {
  const t = useWords(words)
  const language = useLanguage()
  return useMemo(() => {
    const cell = cells(t)
    return ids.map((id) => ({
      id,
      header: t(headings[id]),
      cell: cell[id],
      width: widths[id],
      ...(id === 'took' || id === 'branches' ? { align: 'right' as const } : {}),
    }))
    // The words follow the language, not the function that says them.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [ids, language])
}
