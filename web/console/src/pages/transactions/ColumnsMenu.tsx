import { ActionIcon, Button, Checkbox, Divider, Popover, Switch, Text } from '@mantine/core'
import { useState } from 'react'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import { headings } from './columns.tsx'
import { columnIds, moved, toggled, usualColumns, type Prefs } from './prefs.ts'
import classes from './transactions.module.css'
import { words } from './words.ts'

/** ColumnsMenu chooses which columns are shown, in which order, and how close the rows are. */
export function ColumnsMenu({ prefs, onChange }: { prefs: Prefs; onChange: (prefs: Prefs) => void }) {
  const t = useWords(words)
  const [open, setOpen] = useState(false)
  const { columns } = prefs
  const set = (next: Prefs['columns']) => onChange({ ...prefs, columns: next })
  const rest = columnIds.filter((id) => !columns.includes(id))
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" shadow="md" trapFocus withinPortal={false}>
      <Popover.Target>
        <Button
          variant="default"
          size="xs"
          h={32}
          onClick={() => setOpen(!open)}
          aria-expanded={open}
          leftSection={<Icon path="M2 3h12v10H2zM6 3v10M10 3v10" size={13} />}
        >
          {t('columns')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={t('columns')}>
        <div className={classes['order']}>
          <Text size="xs" c="dimmed">
            {t('columnsHelp')}
          </Text>
          {[...columns, ...rest].map((id) => {
            const at = columns.indexOf(id)
            const column = t(headings[id])
            return (
              <div key={id} data-column>
                <Checkbox
                  size="xs"
                  label={column}
                  checked={at >= 0}
                  disabled={at >= 0 && columns.length === 1}
                  onChange={() => set(toggled(columns, id))}
                />
                {at >= 0 && (
                  <>
                    <ActionIcon
                      size={24}
                      variant="subtle"
                      color="gray"
                      disabled={at === 0}
                      aria-label={t('moveUp', { column })}
                      onClick={() => set(moved(columns, id, -1))}
                    >
                      <Icon path="M4 10l4-4 4 4" size={12} />
                    </ActionIcon>
                    <ActionIcon
                      size={24}
                      variant="subtle"
                      color="gray"
                      disabled={at === columns.length - 1}
                      aria-label={t('moveDown', { column })}
                      onClick={() => set(moved(columns, id, 1))}
                    >
                      <Icon path="M4 6l4 4 4-4" size={12} />
                    </ActionIcon>
                  </>
                )}
              </div>
            )
          })}
          <Divider my={6} />
          <Switch
            size="xs"
            label={t('dense')}
            checked={prefs.dense}
            onChange={(event) => onChange({ ...prefs, dense: event.currentTarget.checked })}
          />
          <Switch
            size="xs"
            mt={6}
            label={t('auto')}
            checked={prefs.auto}
            onChange={(event) => onChange({ ...prefs, auto: event.currentTarget.checked })}
          />
          <Button mt={6} variant="subtle" size="compact-xs" onClick={() => set(usualColumns)}>
            {t('resetColumns')}
          </Button>
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}
