import { useWords } from '@/i18n'
import classes from './Designer.module.css'
import { choices, usual, type Choice, type Wish } from './scenario.ts'
import { words } from './words.ts'

const counted = new Set<Choice>(['failed', 'lost', 'unreachable', 'ongoing'])

/** WishSelect chooses what a step does in a simulation. */
export function WishSelect({
  label,
  wish,
  onWish,
}: {
  label: string
  wish: Wish | undefined
  onWish: (wish: Wish | undefined) => void
}) {
  const t = useWords(words)
  const does = wish?.does ?? 'done'
  return (
    <span className={classes['wish']} data-does={does}>
      <select
        aria-label={label}
        value={does}
        onChange={(event) => onWish(usual(event.currentTarget.value as Choice))}
      >
        {choices.map((each) => (
          <option key={each} value={each}>
            {t(`does_${each}`)}
          </option>
        ))}
      </select>
      {wish && counted.has(wish.does) && (
        <select
          aria-label={`${label}, ${t('howOften')}`}
          value={wish.times}
          onChange={(event) => onWish({ ...wish, times: Number(event.currentTarget.value) })}
        >
          {[1, 2, 3, 5, 10].map((n) => (
            <option key={n} value={n}>
              {t('timesThenDone', { n })}
            </option>
          ))}
          <option value={0}>{t('always')}</option>
        </select>
      )}
      {wish?.does === 'slow' && (
        <select
          aria-label={`${label}, ${t('howLong')}`}
          value={wish.after}
          onChange={(event) => onWish({ ...wish, after: event.currentTarget.value })}
        >
          {['5s', '30s', '5m', '1h', '1d'].map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      )}
    </span>
  )
}
