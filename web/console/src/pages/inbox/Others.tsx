import { Group, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { api, ask, Refused, type Schemas } from '@/api/client.ts'
import { useMe } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { letterAction } from '@/shared/actions/events.ts'
import type { Action } from '@/shared/actions/model.ts'
import { consequencesOf as plannedConsequences } from '@/shared/actions/plan.ts'
import { mayAnswer, waitAction } from '@/shared/actions/waits.ts'
import { Empty } from '@/shared/Empty.tsx'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { JsonView } from '@/shared/JsonView.tsx'
import { Loading } from '@/shared/Loading.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import { When } from '@/shared/When.tsx'
import { numberOf, Xid } from '@/shared/Xid.tsx'
import { approvalAction, consequencesOf, subjectOf } from './acts.ts'
import classes from './inbox.module.css'
import { letterOf, waitOf } from './items.ts'
import { inboxKey } from './useInbox.ts'
import { words } from './words.ts'

interface Props {
  id: string
  act: (action: Action) => void
}

/** useOne loads what an item is about, again and again while one looks. */
function useOne<T>(kind: string, id: string, load: (signal: AbortSignal) => Promise<T>) {
  return useQuery({
    queryKey: [...inboxKey, 'one', kind, id],
    queryFn: ({ signal }) => load(signal),
    refetchInterval: 4000,
  })
}

/** Shown draws what was loaded, or says why it is not there. */
function Shown<T>(props: { query: ReturnType<typeof useOne<T>>; children: (data: T) => ReactNode }) {
  const t = useWords(words)
  const { query } = props
  if (query.isPending) return <Loading rows={5} />
  if (query.error instanceof Refused && query.error.status === 404) {
    return <Empty title={t('gone')} text={t('goneHelp')} />
  }
  if (query.data === undefined || query.data === null) {
    return <ErrorBox error={query.error} retry={() => void query.refetch()} />
  }
  return <>{props.children(query.data)}</>
}

function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={classes['facts']}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Letter shows a dead letter: what it says, why it failed, and the two things that can be done with it. */
export function Letter({ id, act }: Props) {
  const t = useWords(words)
  const { group, letter } = letterOf(id)
  const query = useOne('letter', id, (signal) =>
    ask(
      api.GET('/api/v1/events/groups/{group}/deadletters/{letter}', {
        params: { path: { group, letter } },
        signal,
      }),
    ),
  )
  return (
    <Shown query={query}>
      {(one) => (
        <>
          <section aria-label={t('evidence')} className={classes['part']}>
            <h3>{t('evidence')}</h3>
            {one.reason && <pre className={classes['said']}>{one.reason}</pre>}
            <Facts
              facts={[
                [t('group'), <span className="mono">{group}</span>],
                [t('topic'), <span className="mono">{one.topic}</span>],
                [t('attempts'), count(one.attempts ?? 0)],
                [t('failedAt'), <When at={one.failedAt} both />],
                [t('decidedAt'), <When at={one.at} both />],
              ]}
            />
            <JsonView value={one.event} label={t('event')} maxHeight={260} />
            <Text size="sm" mt={8}>
              <Link to={`/events?tab=letters&group=${encodeURIComponent(group)}`}>{t('openLetters')}</Link>
            </Text>
          </section>
          <section aria-label={t('can')} className={classes['part']}>
            <h3>{t('can')}</h3>
            <Group gap="xs">
              <MayButton role="operator" size="xs" onClick={() => act(letterAction(group, letter, 'replay'))}>
                {t('replay')}
              </MayButton>
              <MayButton
                role="resolver"
                size="xs"
                variant="default"
                onClick={() => act(letterAction(group, letter, 'discard'))}
              >
                {t('discardOne')}
              </MayButton>
            </Group>
          </section>
        </>
      )}
    </Shown>
  )
}

const stateTones: Record<string, Tone> = {
  pending: 'warn',
  approved: 'work',
  done: 'good',
  failed: 'bad',
  rejected: 'idle',
  expired: 'idle',
  interrupted: 'bad',
}

/** Approval shows what waits for a second person, with the very plan that is approved. */
export function Approval({ id, act }: Props) {
  const t = useWords(words)
  const me = useMe()
  const query = useOne('approval', id, (signal) =>
    ask(api.GET('/api/v1/approvals/{approval}', { params: { path: { approval: id } }, signal })),
  )
  return (
    <Shown query={query}>
      {(one) => {
        const state = one.state ?? 'pending'
        const own = !!one.askedBy && one.askedBy === me.data?.id
        return (
          <>
            <section aria-label={t('evidence')} className={classes['part']}>
              <h3>{t('evidence')}</h3>
              <Mark tone={stateTones[state] ?? 'idle'} text={t(`state_${state}`)} />
              <Facts
                facts={[
                  [
                    t('about'),
                    one.xid ? <Xid xid={one.xid} /> : <span className="mono">{subjectOf(one)}</span>,
                  ],
                  [t('asker'), one.asker],
                  [t('reason'), one.reason],
                  [t('askedAt'), <When at={one.askedAt} both />],
                  ...(state === 'pending'
                    ? [[t('expires'), <When at={one.expiresAt} both />] as const]
                    : [
                        [
                          t('answered'),
                          `${one.answerer ?? ''} ${one.answerReason ?? one.detail ?? ''}`,
                        ] as const,
                      ]),
                ]}
              />
            </section>
            <Planned approval={one} />
            {state === 'pending' && (
              <Group gap="xs" className={classes['part']!}>
                <MayButton
                  role="resolver"
                  size="xs"
                  reason={own ? t('ownApproval') : undefined}
                  onClick={() => act(approvalAction(one, true))}
                >
                  {t('approve')}
                </MayButton>
                <MayButton
                  role="resolver"
                  size="xs"
                  variant="default"
                  onClick={() => act(approvalAction(one, false))}
                >
                  {t('reject')}
                </MayButton>
              </Group>
            )}
          </>
        )
      }}
    </Shown>
  )
}

function Planned({ approval }: { approval: Schemas['Approval'] }) {
  const t = useWords(words)
  const all = approval.plan ? plannedConsequences(approval.plan) : consequencesOf(approval)
  return (
    <section aria-label={t('planned')} className={classes['part']}>
      <h3>{t('planned')}</h3>
      <ul className={classes['plan']}>
        {all.map((one, i) => (
          <li key={i} data-kind={one.kind}>
            {one.text}
            {one.items?.map((item) => (
              <div key={item} className={`mono dim ${classes['wrap']}`}>
                {item}
              </div>
            ))}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Wait shows what a saga asks a person. */
export function Wait({ id, act }: Props) {
  const t = useWords(words)
  const me = useMe()
  const { xid, step } = waitOf(id)
  const query = useOne('wait', id, async (signal) => {
    const run = await ask(api.GET('/api/v1/sagas/runs/{xid}', { params: { path: { xid } }, signal }))
    const wait = run.waits?.find((one) => one.step === step)
    return { run, wait }
  })
  return (
    <Shown query={query}>
      {({ run, wait }) => {
        if (!wait) return <Empty title={t('gone')} text={t('goneHelp')} />
        const asked = { ...wait, xid, saga: run.saga ?? '' }
        const why = mayAnswer(me.data, wait.by)
          ? undefined
          : t('othersAnswer', { who: wait.by?.join(', ') || t('anyOperator') })
        return (
          <>
            <section aria-label={t('prompt')} className={classes['part']}>
              <h3>{t('prompt')}</h3>
              <p className={classes['why']}>{wait.prompt || t('waitsFor', { step })}</p>
              <Facts
                facts={[
                  [t('about'), <Xid xid={xid} to={`/runs/${numberOf(xid)}`} />],
                  [t('mayAnswer'), wait.by?.length ? wait.by.join(', ') : t('anyOperator')],
                  ...(wait.until ? [[t('until'), <When at={wait.until} both />] as const] : []),
                ]}
              />
              {wait.data !== undefined && <JsonView value={wait.data} label={t('shown')} maxHeight={260} />}
            </section>
            <Group gap="xs" className={classes['part']!}>
              <MayButton role="member" size="xs" reason={why} onClick={() => act(waitAction(asked, true))}>
                {t('answerYes')}
              </MayButton>
              <MayButton
                role="member"
                size="xs"
                variant="default"
                reason={why}
                onClick={() => act(waitAction(asked, false))}
              >
                {t('answerNo')}
              </MayButton>
            </Group>
          </>
        )
      }}
    </Shown>
  )
}

const comparedMost = 20

/** Half says what a half message without an end means, and whether what it carried has come out all the same. */
export function Half({ id }: { id: string }) {
  const t = useWords(words)
  const query = useOne('half', id, async (signal) => {
    const halves = await ask(api.GET('/api/v1/decisions/halves', { signal }))
    const half = halves.givenUp?.find((one) => `${one.broker}/${one.queue}/${one.offset}` === id)
    return { halves, half }
  })
  return (
    <Shown query={query}>
      {({ halves, half }) => (
        <>
          <section aria-label={t('evidence')} className={classes['part']}>
            <h3>{t('evidence')}</h3>
            {!half && id !== 'pending' && <Empty title={t('gone')} text={t('goneHelp')} />}
            {!half && id === 'pending' && (
              <>
                <p className={classes['why']}>{t('halfPending', { n: count(halves.pending ?? 0) })}</p>
                <Text size="sm">{t('halfPendingMeans')}</Text>
              </>
            )}
            {half && (
              <>
                <Text size="sm">{t('halfMeans')}</Text>
                <Facts
                  facts={[
                    [
                      t('place'),
                      <span className="mono">{`${half.broker} / ${half.queue} / ${half.offset}`}</span>,
                    ],
                    [t('pack'), <span className="mono">{half.pack}</span>],
                    [t('checks'), count(half.checks ?? 0)],
                    [t('stored'), <When at={half.storedAt} both />],
                  ]}
                />
              </>
            )}
            <Text size="sm" mt={8}>
              <Link to="/decisions?tab=halves">{t('openDecisions')}</Link>
            </Text>
          </section>
          {half && <Compared xids={half.xids ?? []} />}
        </>
      )}
    </Shown>
  )
}

function Compared({ xids }: { xids: readonly string[] }) {
  const t = useWords(words)
  return (
    <section aria-label={t('compared')} className={classes['part']}>
      <h3>{t('compared')}</h3>
      <ul className={classes['branches']}>
        {xids.slice(0, comparedMost).map((xid) => (
          <li key={xid}>
            <div className={classes['branch']}>
              <span className={classes['grow']}>
                <Xid xid={xid} />
              </span>
              <Agrees xid={xid} />
            </div>
          </li>
        ))}
        {xids.length > comparedMost && <li className="dim">+{count(xids.length - comparedMost)}</li>}
      </ul>
    </section>
  )
}

function Agrees({ xid }: { xid: string }) {
  const t = useWords(words)
  const query = useOne('agrees', xid, (signal) =>
    ask(api.GET('/api/v1/decisions/{xid}', { params: { path: { xid } }, signal })),
  )
  if (query.isPending) return <span className="dim">…</span>
  if (!query.data) return <Mark tone="idle" text={t('notRead')} help={String(query.error?.message ?? '')} />
  if (query.data.outcome === 'undecided') return <Mark tone="idle" text={t('undecided')} />
  return <Mark tone={query.data.agrees ? 'good' : 'bad'} text={t(query.data.agrees ? 'agrees' : 'differs')} />
}
