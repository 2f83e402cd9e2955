import { Button, Code, Drawer } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Mark, StatusBadge } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { numberOf } from '@/shared/Xid.tsx'
import classes from './decisions.module.css'
import { placeOf, type Decision } from './feed.ts'
import { words } from './words.ts'

/** One compares a decision as it is stored with its published copies, and shows the event. */
export function One({ decision, onClose }: { decision: Decision; onClose: () => void }) {
  const t = useWords(words)
  const id = numberOf(decision.xid ?? '')
  const report = useQuery({
    queryKey: ['decisions', 'one', id],
    queryFn: ({ signal }) => ask(api.GET('/api/v1/decisions/{xid}', { params: { path: { xid: id } }, signal })),
  })
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="lg"
      title={t('detail', { xid: id })}
      transitionProps={{ duration: 0 }}
    >
      {report.isPending && <Loading rows={5} />}
      {report.error && <ErrorBox error={report.error} retry={() => void report.refetch()} />}
      {report.data && <Report report={report.data} />}
      <h3>{t('event')}</h3>
      <Code block className={classes['json']!}>
        {JSON.stringify(decision.event, null, 2)}
      </Code>
      <Button component={Link} to={`/transactions/${id}`} variant="default" mt="md">
        {t('open')}
      </Button>
    </Drawer>
  )
}

function Report({ report }: { report: Schemas['DecisionReport'] }) {
  const t = useWords(words)
  const copies = report.published ?? []
  return (
    <>
      <dl className={classes['facts']}>
        <dt>{t('stored')}</dt>
        <dd>{report.outcome ? t(report.outcome) : '–'}</dd>
        <dt>{t('status')}</dt>
        <dd>
          <StatusBadge status={report.status} />
        </dd>
        <dt>{t('cause')}</dt>
        <dd>{report.cause ?? '–'}</dd>
        <dt>{t('decidedAt')}</dt>
        <dd>
          <When at={report.decidedAt} both />
        </dd>
      </dl>
      <h3>{t('published')}</h3>
      <p>
        {copies.length === 0 ? (
          <Mark tone="idle" text={t('notFound')} />
        ) : (
          <Mark tone={report.agrees ? 'good' : 'bad'} text={t(report.agrees ? 'agrees' : 'disagrees')} />
        )}
      </p>
      <ul className={classes['copies']}>
        {copies.map((copy) => (
          <li key={`${copy.broker} ${copy.queue} ${copy.offset}`}>
            <Mark tone={copy.agrees ? 'good' : 'bad'} text={t(copy.agrees ? 'copySame' : 'copyOther')} />
            <span className="mono">{placeOf(copy)}</span>
            <span className="mono dim clip" title={copy.sha256}>
              {copy.sha256?.slice(0, 16)}
            </span>
          </li>
        ))}
      </ul>
    </>
  )
}
