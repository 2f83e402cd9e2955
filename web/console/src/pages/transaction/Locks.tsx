import { useMemo } from 'react'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { useMay } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { When } from '@/shared/When.tsx'
import { useLocks } from './data.ts'
import { words } from './words.ts'

type Row = Partial<Schemas['Lock']>

/** LocksTab lists the rows that a transaction holds. Who may not see locks as such sees those in the transaction. */
export function LocksTab({ detail }: { detail: Schemas['TransactionDetail'] }) {
  const t = useWords(words)
  const viewer = useMay('viewer')
  const locks = useLocks(detail.xid ?? '', viewer && !!detail.lockCount)
  const rows: readonly Row[] = viewer ? (locks.data?.items ?? []) : (detail.locks ?? [])
  const columns = useMemo(
    (): Column<Row>[] => [
      { id: 'resource', header: t('resource'), width: 'minmax(180px, 2fr)', cell: (row) => row.resource },
      { id: 'table', header: t('lockTable'), width: 'minmax(120px, 1fr)', cell: (row) => row.table },
      {
        id: 'pk',
        header: t('lockKey'),
        width: 'minmax(120px, 1fr)',
        cell: (row) => <span className="mono">{row.pk}</span>,
      },
      {
        id: 'branch',
        header: t('branch'),
        width: '150px',
        cell: (row) => <span className="mono">{row.branch}</span>,
      },
      {
        id: 'since',
        header: t('lockSince'),
        width: '130px',
        cell: (row) => row.since && <When at={row.since} />,
      },
      {
        id: 'waiters',
        header: t('lockWaiters'),
        width: '90px',
        align: 'right',
        cell: (row) => (row.waiters ? count(row.waiters) : ''),
      },
    ],
    [t],
  )
  if (!detail.lockCount) return <Empty title={t('noLocks')} text={t('noLocksText')} />
  return (
    <>
      <DataTable
        label={t('tabLocks')}
        rows={rows}
        rowId={(row) => `${row.resource} ${row.table} ${row.pk}`}
        columns={columns}
        loading={viewer && locks.isPending}
        error={locks.error}
        onRetry={() => void locks.refetch()}
        height="420px"
      />
      <div style={{ padding: '8px 16px' }}>
        <Link to={`/locks?holder=${encodeURIComponent(detail.xid ?? '')}`}>{t('openLocks')}</Link>
      </div>
    </>
  )
}
