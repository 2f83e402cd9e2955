import { useMemo } from 'react'
import { useWords } from '@/i18n'
import classes from './Panes.module.css'
import { compareLines, counts, shorten } from './difference.ts'
import { words } from './words.ts'

/** DiffView shows how one text differs from another, with signs as well as colours. */
export function DiffView({ left, right, label }: { left: string; right: string; label: string }) {
  const t = useWords(words)
  const all = useMemo(() => compareLines(left, right), [left, right])
  const lines = useMemo(() => shorten(all), [all])
  const { gone, come } = counts(all)
  if (lines.length === 0) return <p className="dim">{t('noDifference')}</p>
  return (
    <>
      <p className="dim num">{t('differenceCounts', { gone, come })}</p>
      <div className={classes['diff']} role="region" aria-label={label} tabIndex={0}>
        {lines.map((line, i) => (
          <div key={i} data-kind={line.kind}>
            <span className={classes['lineNumber']}>{line.left ?? ''}</span>
            <span className={classes['lineNumber']}>{line.right ?? ''}</span>
            <span aria-hidden="true">{line.kind === 'gone' ? '−' : line.kind === 'new' ? '+' : ' '}</span>
            <code>{line.kind === 'skipped' ? t('linesSkipped', { n: line.text }) : line.text}</code>
          </div>
        ))}
      </div>
    </>
  )
}
