import { useMemo } from 'react'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { words } from './words.ts'

type Target = Schemas['Target']

const tones = { alive: 'good', dead: 'bad', probed: 'warn' } as const

/** Targets lists the participants that this node calls over HTTP, with their circuits and queues. */
export function Targets({ targets }: { targets: readonly Target[] }) {
  const t = useWords(words)
  const columns = useMemo<readonly Column<Target>[]>(
    () => [
      {
        id: 'origin',
        header: t('origin'),
        width: 'minmax(200px, 1fr)',
        cell: (x) => <span className="mono">{x.origin}</span>,
      },
      {
        id: 'state',
        header: t('state'),
        width: '170px',
        cell: (x) => (
          <>
            <Mark tone={tones[x.state ?? 'alive']} text={t(x.state ?? 'alive')} />
            {x.full && <Mark tone="warn" text={t('full')} />}
          </>
        ),
      },
      {
        id: 'inFlight',
        header: t('inFlight'),
        width: '100px',
        align: 'right',
        cell: (x) => count(x.inFlight ?? 0),
      },
      { id: 'queued', header: t('queued'), width: '90px', align: 'right', cell: (x) => count(x.queued ?? 0) },
      { id: 'calls', header: t('calls'), width: '100px', align: 'right', cell: (x) => count(x.calls ?? 0) },
      { id: 'failed', header: t('failed'), width: '90px', align: 'right', cell: (x) => count(x.failed ?? 0) },
      { id: 'probe', header: t('probe'), width: '120px', cell: (x) => <When at={x.probeAt} /> },
      {
        id: 'lastError',
        header: t('lastError'),
        width: 'minmax(220px, 2fr)',
        cell: (x) => <span title={x.lastError}>{x.lastError}</span>,
      },
    ],
    [t],
  )
  return (
    <DataTable
      label={t('targets')}
      rows={targets}
      rowId={(x) => x.origin ?? ''}
      columns={columns}
      empty={<Empty title={t('targetsNone')} text={t('targetsNoneHelp')} />}
    />
  )
}
