import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { relative, span } from '@/i18n/format.ts'
import { Icon } from '@/shared/Icon.tsx'
import { toneOf } from '@/shared/StatusBadge.tsx'
import { length } from '@/shared/timeline/since.ts'
import { useNow, When } from '@/shared/When.tsx'
import { durationOf } from './compare.ts'
import { hasEnded } from './data.ts'
import classes from './transaction.module.css'
import { words } from './words.ts'

type Detail = Schemas['TransactionDetail']
type Report = Schemas['DecisionReport'] | null | undefined

/** Head says what a transaction is, how far it has come, and why it stands where it does. */
export function Head({
  detail,
  why,
  decision,
}: {
  detail: Detail
  why: Schemas['Why'] | undefined
  decision: Report
}) {
  const t = useWords(words)
  const cause = detail.cause ? `${t('cause')} ${t(`cause_${detail.cause}`)}` : undefined
  return (
    <section className="card" aria-label={t('why')}>
      <div className={classes['facts']}>
        <Fact name={t('application')} more={detail.group}>
          {detail.application || '–'}
        </Fact>
        <Fact name={t(detail.saga ? 'saga' : 'name')} more={detail.sagaKey && `${t('key')} ${detail.sagaKey}`}>
          {detail.saga && (
            <Link to={`/sagas/${detail.saga}`}>{`${detail.saga} v${detail.sagaVersion ?? ''}`}</Link>
          )}
          {!detail.saga && (detail.name || '–')}
        </Fact>
        <Fact name={t('began')}>
          <When at={detail.beganAt} />
        </Fact>
        {detail.status === 'Active' && <Deadline at={detail.deadline} />}
        {detail.decidedAt && (
          <Fact name={t('decided')} more={cause}>
            <When at={detail.decidedAt} />
          </Fact>
        )}
        {detail.decision && <LogPlace decision={decision} />}
        {!hasEnded(detail) && detail.nextAttemptAt && (
          <Fact name={t('nextAttempt')}>
            <When at={detail.nextAttemptAt} />
          </Fact>
        )}
        {detail.endedAt && (
          <Fact name={t('ended')}>
            <When at={detail.endedAt} />
          </Fact>
        )}
        {detail.endedAt && <Took detail={detail} />}
      </div>
      <WhyBox detail={detail} why={why} />
    </section>
  )
}

function Fact({ name, more, children }: { name: string; more?: ReactNode; children: ReactNode }) {
  return (
    <div className={classes['fact']}>
      <div className={classes['factName']}>{name}</div>
      <div className={classes['factValue']}>{children}</div>
      {more && <div className={classes['factMore']}>{more}</div>}
    </div>
  )
}

/** Deadline counts down. */
function Deadline({ at }: { at: string | undefined }) {
  const t = useWords(words)
  const now = useNow()
  if (!at) return null
  const left = Date.parse(at) - now
  const when = relative(at, now)
  return (
    <Fact name={t('deadline')} more={t(left > 0 ? 'deadlineIn' : 'deadlineLate', { when })}>
      <span className="num" data-deadline>
        {left > 0 ? span(left) : '0'}
      </span>
    </Fact>
  )
}

function LogPlace({ decision }: { decision: Report }) {
  const t = useWords(words)
  const copy = decision?.published?.[0]
  const values = { topic: copy?.topic ?? '', queue: copy?.queue ?? 0, offset: copy?.offset ?? 0 }
  return (
    <Fact name={t('logPlace')}>
      {copy ? (
        <Link to={`/decisions?xid=${encodeURIComponent(copy.xid ?? '')}`}>{t('logPlaceAt', values)}</Link>
      ) : (
        <span className="dim">{t(decision === null ? 'notPublished' : 'notYetPublished')}</span>
      )}
    </Fact>
  )
}

function Took({ detail }: { detail: Detail }) {
  const t = useWords(words)
  const decided = durationOf(detail.beganAt, detail.decidedAt)
  return (
    <Fact
      name={t('took')}
      more={Number.isNaN(decided) ? undefined : t('untilDecision', { time: length(decided) })}
    >
      {t('inAll', { time: length(durationOf(detail.beganAt, detail.endedAt)) })}
    </Fact>
  )
}

const causesShown = 4
const warns = 'M8 2.5l6 11H2zM8 7v3M8 12v.2'
const informs = 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 7.5V11M8 5v.1'

function WhyBox({ detail, why }: { detail: Detail; why: Schemas['Why'] | undefined }) {
  const t = useWords(words)
  const tone = detail.stuck ? 'bad' : toneOf(detail.status ?? 'Active')
  const more = why?.causes?.slice(1, 1 + causesShown) ?? []
  const hidden = (why?.causeCount ?? 0) - 1 - more.length
  const sentence = why?.sentence || detail.explanation
  return (
    <div className={classes['why']}>
      <span className={classes['whyIcon']} data-tone={tone}>
        <Icon path={detail.stuck ? warns : informs} />
      </span>
      <div>
        <div className={classes['whyText']}>{sentence}</div>
        {more.length > 0 && (
          <ul className={classes['causes']}>
            {more.map((cause, i) => (
              <li key={i}>{cause.sentence}</li>
            ))}
            {hidden > 0 && <li>{t('moreCauses', { n: hidden })}</li>}
          </ul>
        )}
        {detail.advice && (
          <div className={classes['advice']}>
            <strong>{t('advice')}</strong> · {detail.advice}
          </div>
        )}
      </div>
    </div>
  )
}
