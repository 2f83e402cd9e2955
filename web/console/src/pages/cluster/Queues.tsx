import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import classes from './cluster.module.css'
import { words } from './words.ts'

type Queue = Schemas['Queue']

/** Queues shows where each queue of decisions begins and ends, and how far its readers are behind. */
export function Queues() {
  const t = useWords(words)
  const queues = useQuery({
    queryKey: ['queues'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/queues', { signal })),
    refetchInterval: 3000,
  })
  const rows = queues.data?.items ?? []
  const onBrokers = rows.some((row) => row.broker)
  const columns = useMemo<readonly Column<Queue>[]>(() => {
    const number = (id: 'oldest' | 'end' | 'committed', header: string): Column<Queue> => ({
      id,
      header,
      width: '140px',
      align: 'right',
      cell: (row) => (row[id] === undefined ? <span className="dim">–</span> : count(row[id])),
    })
    const place: Column<Queue>[] = [
      { id: 'topic', header: t('topic'), width: 'minmax(180px, 1fr)', cell: (row) => row.topic },
      { id: 'broker', header: t('broker'), width: 'minmax(120px, 1fr)', cell: (row) => row.broker },
      { id: 'queue', header: t('queue'), width: '80px', align: 'right', cell: (row) => row.queue },
    ]
    return [
      ...(onBrokers ? place : []),
      {
        id: 'group',
        header: t('reader'),
        width: 'minmax(180px, 1fr)',
        cell: (row) => (row.group ? <span className="mono">{row.group}</span> : t('logItself')),
      },
      number('oldest', t('oldest')),
      number('end', t('end')),
      number('committed', t('committed')),
      { id: 'lag', header: t('lag'), width: '150px', align: 'right', cell: (row) => <Lag lag={row.lag} /> },
    ]
  }, [t, onBrokers])
  return (
    <>
      {queues.data?.silent.map((each) => (
        <p key={each.broker} className={classes['silent']} role="status">
          <Mark tone="warn" text={t('silent', { broker: each.broker })} /> {each.reason}
        </p>
      ))}
      <DataTable
        label={t('queues')}
        rows={rows}
        rowId={(row) => `${row.topic ?? ''} ${row.broker ?? ''} ${row.queue} ${row.group ?? ''}`}
        columns={columns}
        loading={queues.isPending}
        error={queues.error}
        onRetry={() => void queues.refetch()}
        empty={<Empty title={t('queuesNone')} text={t('queuesNoneHelp')} />}
      />
      {queues.data && rows.length > 0 && (
        <p className={classes['note']}>
          {t(onBrokers ? 'queuesBrokers' : 'queuesHere')} {t('queuesAt')} <When at={queues.data.at} />
        </p>
      )}
    </>
  )
}

function Lag({ lag }: { lag: number | undefined }) {
  const t = useWords(words)
  if (lag === undefined) return <span className="dim">–</span>
  if (lag === 0) return <span className="dim">{t('caughtUp')}</span>
  return <Mark tone="warn" text={count(lag)} />
}
