import { useMemo } from 'react'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { countText, type LiveCounts } from './counts.ts'
import classes from './sagas.module.css'
import { words } from './words.ts'

type Version = Schemas['SagaVersion']

export interface VersionsProps {
  readonly saga: string
  readonly shown: number | undefined
  readonly rows: readonly Version[]
  readonly counts: LiveCounts | undefined
  readonly more: boolean
  readonly onMore: () => void
  readonly onOpen: (version: number) => void
}

/** Versions lists all versions of a saga, newest first, each with the note of who published it. */
export function Versions({ saga, shown, rows, counts, more, onMore, onOpen }: VersionsProps) {
  const t = useWords(words)
  const newest = rows[0]?.version
  const columns = useMemo<Column<Version>[]>(() => {
    const to = (tab: string, more: string) => `/sagas/${encodeURIComponent(saga)}?tab=${tab}${more}`
    return [
      {
        id: 'version',
        header: t('version'),
        width: '150px',
        cell: (row) => (
          <span className={classes['name']}>
            <Link to={to('graph', `&version=${row.version}`)} aria-current={row.version === shown || undefined}>
              {row.version}
            </Link>
            {row.version === newest && <Mark tone="good" text={t('newest')} />}
          </span>
        ),
      },
      {
        id: 'running',
        header: t('running'),
        width: '110px',
        align: 'right',
        cell: (row) => countText(counts, `${saga}@${row.version}`),
      },
      { id: 'at', header: t('published'), width: '140px', cell: (row) => <When at={row.at} /> },
      { id: 'by', header: t('by'), width: '140px', cell: (row) => row.by },
      {
        id: 'note',
        header: t('note'),
        width: 'minmax(200px, 3fr)',
        cell: (row) => <span title={row.note}>{row.note}</span>,
      },
      {
        id: 'diff',
        header: '',
        width: '130px',
        cell: (row) =>
          (row.version ?? 0) > 1 && (
            <Link to={to('diff', `&version=${row.version}&with=${(row.version ?? 0) - 1}`)}>
              {t('compare')}
            </Link>
          ),
      },
    ]
  }, [t, saga, shown, newest, counts])
  return (
    <DataTable
      label={t('tabVersions')}
      rows={rows}
      rowId={(row) => String(row.version)}
      columns={columns}
      more={more}
      onMore={onMore}
      onOpen={(row) => onOpen(row.version ?? 0)}
    />
  )
}
