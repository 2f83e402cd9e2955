import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { Link } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import type { Slice } from '@/api/pages.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Section } from '@/shared/Page.tsx'
import { StatusBadge } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { Xid } from '@/shared/Xid.tsx'
import classes from './overview.module.css'
import { words } from './words.ts'

/** Newest shows the transactions that were begun last. */
export function Newest({ query }: { query: UseQueryResult<Slice<Schemas['Transaction']>> }) {
  const t = useWords(words)
  const rows = query.data?.items ?? []
  return (
    <Section title={t('recent')} actions={<Link to="/transactions">{t('all')}</Link>} flush>
      {query.isPending && <Loading rows={8} />}
      {query.error && (
        <ErrorBox error={query.error} retry={() => void query.refetch()} stale={rows.length > 0} />
      )}
      <table className={classes['table']}>
        <thead>
          <tr>
            <th scope="col">{t('xid')}</th>
            <th scope="col">{t('name')}</th>
            <th scope="col">{t('status')}</th>
            <th scope="col">{t('age')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td>
                <Xid xid={row.xid ?? ''} />
              </td>
              <td className="clip" title={`${row.application ?? ''} ${row.name ?? ''}`}>
                <span className="dim">{row.application}</span> {row.saga ?? row.name}
              </td>
              <td>
                <StatusBadge status={row.status} stuck={row.stuck} heuristic={row.heuristic} />
              </td>
              <td>
                <When at={row.beganAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  )
}

/** Hottest shows the rows for which transactions have met each other most. */
export function Hottest() {
  const t = useWords(words)
  const hot = useQuery({
    queryKey: ['locks', 'hottest', 5],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/locks/hottest', { params: { query: { limit: 5 } }, signal })),
    refetchInterval: 5000,
  })
  const rows = hot.data?.items ?? []
  const most = Math.max(1, ...rows.map((row) => row.conflicts ?? 0))
  return (
    <Section title={t('hottest')} actions={<Link to="/locks?tab=hottest">{t('hottestMore')}</Link>} flush>
      {hot.isPending && <Loading rows={3} />}
      {hot.error && <ErrorBox error={hot.error} retry={() => void hot.refetch()} stale={rows.length > 0} />}
      {hot.data && rows.length === 0 && <p className={classes['quiet']}>{t('hottestNone')}</p>}
      <ul className={classes['hot']}>
        {rows.map((row) => (
          <li key={`${row.resource} ${row.table} ${row.pk}`}>
            <Link
              className="clip mono"
              to={`/locks?q=${encodeURIComponent(`table:${row.table} pk:${row.pk}`)}`}
            >
              {row.table}:{row.pk}
            </Link>
            <span className="dim num">{t('waited', { count: count(row.conflicts ?? 0) })}</span>
            <meter min={0} max={most} value={row.conflicts ?? 0} aria-hidden="true" />
          </li>
        ))}
      </ul>
    </Section>
  )
}
