import { defineWords } from '@/i18n'

export const words = defineWords(
  {
    asForm: 'Form',
    asJson: 'JSON',
    missing: 'This is needed.',
    notJson: 'This is no JSON.',
    notNumber: 'This is no number.',
    jsonHelp: 'Any JSON value',
    yes: 'true',
    no: 'false',
    unset: 'left out',
    how: 'How it is entered',
    noData: 'There is no schema, so any JSON will do; it may be left empty.',
  },
  {
    asForm: '表单',
    asJson: 'JSON',
    missing: '此项必填。',
    notJson: '不是有效的 JSON。',
    notNumber: '不是数字。',
    jsonHelp: '任意 JSON 值',
    yes: 'true',
    no: 'false',
    unset: '不填写',
    how: '输入方式',
    noData: '没有 schema，任何 JSON 均可，也可以留空。',
  },
)
