import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Section } from '@/shared/Page.tsx'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import classes from './overview.module.css'
import { words } from './words.ts'

/** Health says of each part whether it works, and if not, in the server's words why. */
export function Health() {
  const t = useWords(words)
  const cluster = useQuery({
    queryKey: ['cluster'],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/cluster', { signal })),
    refetchInterval: 5000,
  })
  return (
    <Section title={t('health')} actions={<Link to="/cluster">{t('nodes')}</Link>} flush>
      {cluster.isPending && <Loading rows={3} />}
      {cluster.error && (
        <ErrorBox error={cluster.error} retry={() => void cluster.refetch()} stale={!!cluster.data} />
      )}
      {cluster.data && <Parts cluster={cluster.data} />}
    </Section>
  )
}

function Parts({ cluster }: { cluster: Schemas['Cluster'] }) {
  const t = useWords(words)
  const reasons = [...(cluster.reasons ?? []), ...(cluster.degraded ?? [])]
  const about = (what: RegExp) => reasons.filter((reason) => what.test(reason.code ?? ''))
  const store = about(/store|database|disk|lease/i)
  const flow = about(/broker|mq|publish|queue/i)
  const others = reasons.filter((reason) => !store.includes(reason) && !flow.includes(reason))
  const nodes = cluster.nodes ?? []
  return (
    <ul className={classes['health']}>
      <Part
        name={t('store')}
        tone={store.length ? 'bad' : 'good'}
        text={t(store.length ? 'bad' : 'good')}
        why={store}
      />
      <Part
        name={t('publication')}
        tone={flow.length ? 'warn' : 'good'}
        text={t(flow.length ? 'bad' : 'good')}
        why={flow}
      />
      {nodes.length === 0 && (
        <Part
          name={t('node', { name: cluster.node ?? '' })}
          tone={cluster.ready ? 'good' : 'bad'}
          text={t(cluster.ready ? 'good' : 'bad')}
          why={others}
        />
      )}
      {nodes.map((node) => (
        <Part
          key={node.id}
          name={t('node', { name: node.id ?? '' }) + (node.self ? ` (${t('thisNode')})` : '')}
          tone={node.state === 'alive' ? 'good' : node.state === 'draining' ? 'warn' : 'bad'}
          text={node.state === 'alive' ? t('good') : node.state === 'draining' ? t('draining') : t('fenced')}
          why={node.self ? others : []}
        />
      ))}
    </ul>
  )
}

function Part(props: { name: string; tone: Tone; text: string; why: readonly Schemas['Reason'][] }) {
  return (
    <li>
      <div className={classes['part']}>
        <span className="clip">{props.name}</span>
        <Mark tone={props.tone} text={props.text} />
      </div>
      {props.why.map((reason) => (
        <p key={reason.code} className={classes['why']}>
          {reason.sentence}
        </p>
      ))}
    </li>
  )
}
