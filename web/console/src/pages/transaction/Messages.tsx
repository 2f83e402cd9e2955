import { useMemo, useState } from 'react'
import type { UseQueryResult } from '@tanstack/react-query'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { DataTable, type Column } from '@/shared/DataTable.tsx'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { JsonView } from '@/shared/JsonView.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import classes from './transaction.module.css'
import { words } from './words.ts'

type Copy = Schemas['DecisionCopy']

/** Messages compares what is stored of a decision with what was published, and lists the messages of branches. */
export function Messages({
  detail,
  decision,
}: {
  detail: Schemas['TransactionDetail']
  decision: UseQueryResult<Schemas['DecisionReport'] | null>
}) {
  const t = useWords(words)
  const topics = (detail.branches ?? []).filter(
    (branch) => branch.kind === 'TOPIC' || branch.kind === 'STEP_MESSAGE',
  )
  return (
    <>
      <Published detail={detail} decision={decision} />
      {topics.length > 0 && (
        <div className={classes['replay']}>
          <h3 className={classes['factName']}>{t('topicBranches')}</h3>
          <dl className={classes['pairs']}>
            {topics.flatMap((branch) => [
              <dt key={`${branch.id} name`} className="mono">
                {branch.resource}
              </dt>,
              <dd key={`${branch.id} state`}>
                <Mark
                  tone={branch.state === 'Finished' ? 'good' : branch.failure ? 'bad' : 'work'}
                  text={t(`state_${branch.state ?? 'Registered'}`)}
                />{' '}
                <span className="mono dim">{branch.failure}</span>
              </dd>,
            ])}
          </dl>
        </div>
      )}
    </>
  )
}

function Published({
  detail,
  decision,
}: {
  detail: Schemas['TransactionDetail']
  decision: UseQueryResult<Schemas['DecisionReport'] | null>
}) {
  const t = useWords(words)
  const [chosen, setChosen] = useState(0)
  const columns = useMemo(
    (): Column<Copy & { n: number }>[] => [
      { id: 'at', header: t('at'), width: '140px', cell: (copy) => <When at={copy.at} /> },
      { id: 'topic', header: t('topic'), width: 'minmax(150px, 1fr)', cell: (copy) => copy.topic },
      { id: 'queue', header: t('queue'), width: '80px', align: 'right', cell: (copy) => copy.queue },
      { id: 'offset', header: t('offset'), width: '110px', align: 'right', cell: (copy) => copy.offset },
      { id: 'outcome', header: t('outcome'), width: '110px', cell: (copy) => copy.outcome },
      {
        id: 'agrees',
        header: t('stored'),
        width: '120px',
        cell: (copy) => (
          <Mark tone={copy.agrees ? 'good' : 'bad'} text={t(copy.agrees ? 'copyAgrees' : 'copyDiffers')} />
        ),
      },
      {
        id: 'hash',
        header: t('hash'),
        width: 'minmax(160px, 2fr)',
        cell: (copy) => <span className="mono">{copy.sha256}</span>,
      },
    ],
    [t],
  )
  if (!detail.decision) return <Empty title={t('undecided')} />
  if (decision.isPending) return <Loading />
  if (decision.error && !decision.data) {
    return <ErrorBox error={decision.error} retry={() => void decision.refetch()} />
  }
  if (decision.data === null) return <Empty title={t('notPublished')} />
  const copies = (decision.data?.published ?? []).map((copy, n) => ({ ...copy, n }))
  if (copies.length === 0) return <Empty title={t('notYetPublished')} text={t('noCopies')} />
  return (
    <>
      <div style={{ padding: '12px 16px' }}>
        <Mark
          tone={decision.data?.agrees ? 'good' : 'bad'}
          text={t(decision.data?.agrees ? 'agrees' : 'disagrees')}
        />
      </div>
      <DataTable
        label={t('published')}
        rows={copies}
        rowId={(copy) => String(copy.n)}
        columns={columns}
        height={`${Math.min(copies.length, 6) * 38 + 40}px`}
        onOpen={(copy) => setChosen(copy.n)}
      />
      <div className={classes['replay']}>
        <h3 className={classes['factName']}>{t('eventJson')}</h3>
        <JsonView value={copies[chosen]?.event ?? {}} label={t('eventJson')} maxHeight={320} />
      </div>
    </>
  )
}
