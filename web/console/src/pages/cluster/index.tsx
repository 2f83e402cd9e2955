import { useQuery } from '@tanstack/react-query'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count, span } from '@/i18n/format.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Page } from '@/shared/Page.tsx'
import { Sections } from '@/shared/Sections.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { useNow } from '@/shared/When.tsx'
import classes from './cluster.module.css'
import { Config } from './Config.tsx'
import { Nodes } from './Nodes.tsx'
import { Applications, Resources } from './Places.tsx'
import { Queues } from './Queues.tsx'
import { Sessions } from './Sessions.tsx'
import { Targets } from './Targets.tsx'
import { words } from './words.ts'

/** Cluster shows the nodes and everything that is connected to them. */
export default function Cluster() {
  const t = useWords(words)
  const cluster = useQuery({
    queryKey: ['cluster'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/cluster', { signal })),
    refetchInterval: 2000,
  })
  const data = cluster.data
  return (
    <Page title={t('title')} mark={data && <State cluster={data} />}>
      {cluster.error && <ErrorBox error={cluster.error} retry={() => void cluster.refetch()} stale={!!data} />}
      {cluster.isPending && <Loading />}
      {data && <Reasons cluster={data} />}
      {data && <Summary cluster={data} />}
      <Sections
        label={t('sections')}
        first="nodes"
        address={(chosen, was) => ({ ...Object.fromEntries(was), tab: chosen })}
        sections={[
          { id: 'nodes', name: t('nodes'), show: data && <Nodes nodes={data.nodes ?? []} /> },
          {
            id: 'sessions',
            name: t('sessions'),
            show: <Sessions address={data?.nodes?.find((n) => n.self)?.advertise ?? ''} />,
          },
          { id: 'applications', name: t('applications'), show: <Applications /> },
          { id: 'resources', name: t('resources'), show: <Resources /> },
          { id: 'targets', name: t('targets'), show: data && <Targets targets={data.targets ?? []} /> },
          { id: 'queues', name: t('queues'), show: <Queues /> },
          { id: 'config', name: t('config'), show: <Config /> },
        ]}
      />
    </Page>
  )
}

function State({ cluster }: { cluster: Schemas['Cluster'] }) {
  const t = useWords(words)
  return (
    <>
      <Mark tone={cluster.ready ? 'good' : 'bad'} text={t(cluster.ready ? 'ready' : 'notReady')} />
      {(cluster.degraded ?? []).length > 0 && <Mark tone="warn" text={t('degraded')} />}
    </>
  )
}

function Reasons({ cluster }: { cluster: Schemas['Cluster'] }) {
  const all = [
    ...(cluster.reasons ?? []).map((reason) => ({ ...reason, tone: 'bad' as const })),
    ...(cluster.degraded ?? []).map((reason) => ({ ...reason, tone: 'warn' as const })),
  ]
  if (all.length === 0) return null
  return (
    <ul className={`card ${classes['reasons']}`}>
      {all.map((reason) => (
        <li key={reason.code}>
          <Mark tone={reason.tone} text={reason.code ?? ''} /> {reason.sentence}
        </li>
      ))}
    </ul>
  )
}

function Summary({ cluster }: { cluster: Schemas['Cluster'] }) {
  const t = useWords(words)
  const now = useNow()
  const alive = (cluster.nodes ?? []).filter((node) => node.state !== 'gone').length
  const since = cluster.unpublishedSince
  return (
    <dl className={`card ${classes['summary']}`}>
      <Number name={t('summaryNodes')} value={count(alive)} />
      <Number name={t('summaryClients')} value={count(cluster.clients ?? 0)} />
      <Number name={t('summaryApplications')} value={count(cluster.applications ?? 0)} />
      <Number name={t('summaryResources')} value={count(cluster.resources ?? 0)} />
      <Number
        name={t('summaryUnpublished')}
        value={count(cluster.unpublished ?? 0)}
        text={since ? t('since', { age: span(now - new Date(since).getTime()) }) : ''}
      />
      <Number
        name={t('version')}
        value={cluster.version?.version ?? ''}
        text={[cluster.version?.commit?.slice(0, 10), cluster.version?.go].filter(Boolean).join(' ')}
      />
    </dl>
  )
}

function Number({ name, value, text }: { name: string; value: string; text?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="num">
        {value} {text && <small>{text}</small>}
      </dd>
    </div>
  )
}
