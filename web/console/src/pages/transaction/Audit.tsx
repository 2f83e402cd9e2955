import { useMemo } from 'react'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { useMay } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { When } from '@/shared/When.tsx'
import { useAudit } from './data.ts'
import { words } from './words.ts'

type Entry = Schemas['JournalEntry']

/** AuditTab lists what people did to a transaction. */
export function AuditTab({ xid }: { xid: string }) {
  const t = useWords(words)
  const viewer = useMay('viewer')
  return viewer ? <Entries xid={xid} /> : <Empty title={t('auditRole')} />
}

function Entries({ xid }: { xid: string }) {
  const t = useWords(words)
  const audit = useAudit(xid)
  const columns = useMemo(
    (): Column<Entry>[] => [
      { id: 'at', header: t('at'), width: '130px', cell: (entry) => <When at={entry.at} /> },
      { id: 'who', header: t('who'), width: 'minmax(120px, 1fr)', cell: (entry) => entry.name || entry.who },
      {
        id: 'action',
        header: t('action'),
        width: '190px',
        cell: (entry) => <span className="mono">{entry.action}</span>,
      },
      { id: 'phase', header: t('phase'), width: '100px', cell: (entry) => t(`phase_${entry.phase ?? 'fact'}`) },
      { id: 'why', header: t('reason'), width: 'minmax(200px, 3fr)', cell: (entry) => entry.why },
      {
        id: 'result',
        header: t('result'),
        width: '140px',
        cell: (entry) => (
          <span className="mono">{[entry.status || '', entry.code].filter(Boolean).join(' ')}</span>
        ),
      },
    ],
    [t],
  )
  return (
    <>
      <DataTable
        label={t('tabAudit')}
        rows={audit.data ?? []}
        rowId={(entry) => entry.id ?? String(entry.seq)}
        columns={columns}
        loading={audit.isPending}
        error={audit.error}
        onRetry={() => void audit.refetch()}
        height="420px"
        empty={<Empty title={t('auditNone')} text={t('auditNoneText')} />}
      />
      <div style={{ padding: '8px 16px' }}>
        <Link to={`/audit?target=${encodeURIComponent(xid)}`}>{t('openAudit')}</Link>
      </div>
    </>
  )
}
