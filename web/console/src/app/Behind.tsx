import { VisuallyHidden } from '@mantine/core'
import { useRef } from 'react'
import { useWords } from '@/i18n'
import { clock, span } from '@/i18n/format.ts'
import { Icon } from '@/shared/Icon.tsx'
import { useNow } from '@/shared/When.tsx'
import { useLive, type Live } from './live.tsx'
import classes from './Shell.module.css'
import { words } from './words.ts'

/** Behind says, while the stream is lost, since when what is shown is old. It is there before it has something to say,
 * so that it is read out; the seconds that pass are not. */
export function Behind() {
  const live = useLive()
  return (
    <div role="status" className={classes['behind']}>
      {live.state === 'stale' && <Old live={live} />}
    </div>
  )
}

function Old({ live: { heard } }: { live: Live }) {
  const t = useWords(words)
  const now = useNow()
  const lost = useRef(Date.now())
  const silent = Math.max(0, Math.floor((now - (heard ?? lost.current)) / 1000)) * 1000
  const values = {
    span: span(silent)
      .replace('.0', '')
      .replace(/^0 \S+/, span(1000).replace('.0', '')),
  }
  const time = heard === undefined ? '' : clock(heard)
  return (
    <p className={classes['old']}>
      <Icon path="M8 2.5l6 11H2zM8 7v3M8 12v.2" />
      <span aria-hidden="true">{time ? t('oldSince', { ...values, time }) : t('oldNothing', values)}</span>
      <VisuallyHidden>{time ? t('oldSaid', { time }) : t('oldSaidNothing')}</VisuallyHidden>
    </p>
  )
}
