import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count, span } from '@/i18n/format.ts'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { When } from '@/shared/When.tsx'
import { Xid } from '@/shared/Xid.tsx'
import classes from './decisions.module.css'
import { words } from './words.ts'

type Half = Schemas['GivenUpHalf']

/** Halves shows messages of decisions that have no end yet, and those that brokers have given up. */
export function Halves() {
  const t = useWords(words)
  const halves = useQuery({
    queryKey: ['decisions', 'halves'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/decisions/halves', { signal })),
    refetchInterval: 3000,
  })
  const columns = useMemo<readonly Column<Half>[]>(
    () => [
      { id: 'storedAt', header: t('storedAt'), width: '150px', cell: (h) => <When at={h.storedAt} /> },
      {
        id: 'pack',
        header: t('pack'),
        width: 'minmax(180px, 1fr)',
        cell: (h) => <span className="mono">{h.pack}</span>,
      },
      {
        id: 'broker',
        header: t('broker'),
        width: 'minmax(140px, 1fr)',
        cell: (h) => <span className="mono">{`${h.broker} / ${h.queue} / ${h.offset}`}</span>,
      },
      {
        id: 'transactions',
        header: t('transactions'),
        width: 'minmax(220px, 2fr)',
        cell: (h) => (h.xids ?? []).slice(0, 5).map((xid) => <Xid key={xid} xid={xid} />),
      },
    ],
    [t],
  )
  const data = halves.data
  if (halves.isPending) return <Loading rows={3} />
  if (!data) return <ErrorBox error={halves.error} retry={() => void halves.refetch()} />
  return (
    <>
      {halves.error && <ErrorBox error={halves.error} stale />}
      <p className={classes['help']}>{t('halvesHelp')}</p>
      <dl className={classes['numbers']}>
        <div>
          <dt>{t('inFlight')}</dt>
          <dd className="num">{count(data.inFlight ?? 0)}</dd>
        </div>
        <div>
          <dt>{t('pending')}</dt>
          <dd className="num">{count(data.pending ?? 0)}</dd>
        </div>
        <div>
          <dt>{t('oldest')}</dt>
          <dd className="num">{data.ageMs ? span(data.ageMs) : '–'}</dd>
        </div>
        <div>
          <dt>{t('givenUp')}</dt>
          <dd className="num">
            {count(data.givenUp?.length ?? 0)}
            {data.more && '+'}
          </dd>
        </div>
      </dl>
      <DataTable
        label={t('givenUp')}
        rows={data.givenUp ?? []}
        rowId={(half) => `${half.broker} ${half.queue} ${half.offset}`}
        columns={columns}
        empty={<Empty title={t('halvesNone')} text={t('halvesNoneHelp')} />}
      />
    </>
  )
}
